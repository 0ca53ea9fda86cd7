//! The services behind the JSON-RPC routes: who is asking, and for what.

use crate::fake::Shared;
use crate::fake::call::{self, Call, Outcome};
use crate::fake::engine::state::State;
use crate::fake::keys;
use crate::fake::refusal::Refusal;
use axum::http::{HeaderMap, header};
use bridge_model::Timestamp;
use serde_json::{Map, Value, json};

/// The version that the demo ERP says it is.
pub(super) const VERSION: &str = "19.0";

/// The same in parts.
pub(super) fn version_info() -> Value {
    json!([19, 0, 0, "final", 0, ""])
}

/// Something that is asked of the ERP.
#[derive(Debug)]
pub(super) enum Request {
    /// `common` over `/jsonrpc`.
    Common { method: String, args: Vec<Value> },
    /// `db` over `/jsonrpc`.
    Databases { method: String },
    /// A model's method with a password.
    Object { login: Login, model: String, method: String, args: Vec<Value>, kwargs: Map<String, Value> },
    /// A model's method with a session.
    CallKw { session: String, model: String, method: String, args: Vec<Value>, kwargs: Map<String, Value> },
    /// A model's method by a user whose key is known.
    Known { uid: i64, model: String, method: String, args: Vec<Value>, kwargs: Map<String, Value> },
    /// Something of `/web/session`.
    Session { action: String, session: String, params: Map<String, Value> },
    /// The version, for the web client.
    Version,
}

/// The credential that comes with each call over `/jsonrpc`.
#[derive(Debug)]
pub(super) struct Login {
    database: Value,
    uid: i64,
    password: Value,
}

impl Request {
    /// Reads a request from its route and its JSON-RPC envelope.
    pub(super) fn read(path: &str, headers: &HeaderMap, mut envelope: Value) -> Result<Self, Refusal> {
        let params = match envelope.get_mut("params").map(Value::take) {
            None | Some(Value::Null) => Map::new(),
            Some(Value::Object(params)) => params,
            Some(_) => {
                return Err(Refusal::value("dictionary update sequence element #0 has length 6; 2 is required"));
            }
        };
        let session = cookie(headers).unwrap_or_default();
        match path {
            "/jsonrpc" => Self::service(params),
            "/web/webclient/version_info" => Ok(Self::Version),
            "/web/database/list" => Ok(Self::Databases { method: "list".to_owned() }),
            _ => match path.strip_prefix("/web/session/") {
                Some(action) => Ok(Self::Session { action: action.to_owned(), session, params }),
                None => Self::call_kw(session, params),
            },
        }
    }

    /// The names by which faults and counts know the request.
    pub(super) fn names(&self) -> (&str, &str) {
        match self {
            Self::Common { method, .. } => ("common", method),
            Self::Databases { method } => ("db", method),
            Self::Object { model, method, .. }
            | Self::CallKw { model, method, .. }
            | Self::Known { model, method, .. } => (model, method),
            Self::Session { action, .. } => ("session", action),
            Self::Version => ("common", "version"),
        }
    }

    fn service(mut params: Map<String, Value>) -> Result<Self, Refusal> {
        let (Some(service), Some(method), Some(args)) =
            (params.remove("service"), params.remove("method"), params.remove("args"))
        else {
            return Err(Refusal::type_error(
                "JSONRPC.jsonrpc() missing 3 required positional arguments: 'service', 'method', and 'args'",
            ));
        };
        let Value::Array(args) = args else { return Err(Refusal::type_error("the arguments are a list")) };
        Self::of_service(service.as_str().unwrap_or_default(), method.as_str().unwrap_or_default(), args)
    }

    /// A method of one of the services of the older protocols.
    pub(super) fn of_service(service: &str, method: &str, args: Vec<Value>) -> Result<Self, Refusal> {
        let method = method.to_owned();
        match service {
            "common" => Ok(Self::Common { method, args }),
            "db" => Ok(Self::Databases { method }),
            "object" => Self::object(&method, args),
            other => Err(Refusal::key(other)),
        }
    }

    fn object(method: &str, args: Vec<Value>) -> Result<Self, Refusal> {
        if !matches!(method, "execute" | "execute_kw") {
            return Err(Refusal::name_error(format!("Method not available {method}")));
        }
        let count = args.len();
        let mut args = args.into_iter();
        let (Some(database), Some(uid), Some(password), Some(Value::String(model)), Some(Value::String(name))) =
            (args.next(), args.next(), args.next(), args.next(), args.next())
        else {
            return Err(Refusal::value(format!("not enough values to unpack (expected at least 5, got {count})")));
        };
        let login = Login { database, uid: uid.as_i64().unwrap_or(0), password };
        let (args, kwargs) = if method == "execute" {
            (args.collect(), Map::new())
        } else {
            let positional = match args.next() {
                Some(Value::Array(positional)) => positional,
                None | Some(Value::Null) => Vec::new(),
                Some(_) => return Err(Refusal::type_error("the positional arguments are a list")),
            };
            match args.next() {
                Some(Value::Object(kwargs)) => (positional, kwargs),
                _ => (positional, Map::new()),
            }
        };
        Ok(Self::Object { login, model, method: name, args, kwargs })
    }

    fn call_kw(session: String, mut params: Map<String, Value>) -> Result<Self, Refusal> {
        let (Some(Value::String(model)), Some(Value::String(method))) =
            (params.remove("model"), params.remove("method"))
        else {
            return Err(Refusal::type_error(
                "DataSet.call_kw() missing 4 required positional arguments: 'model', 'method', 'args', and 'kwargs'",
            ));
        };
        let args = if let Some(Value::Array(args)) = params.remove("args") { args } else { Vec::new() };
        let kwargs = if let Some(Value::Object(kwargs)) = params.remove("kwargs") { kwargs } else { Map::new() };
        Ok(Self::CallKw { session, model, method, args, kwargs })
    }
}

fn cookie(headers: &HeaderMap) -> Option<String> {
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == "session_id").map(|(_, key)| key.to_owned())
}

/// Does what is asked; the second part is a cookie to set.
pub(super) fn serve(shared: &Shared, request: Request) -> (Outcome, Option<String>) {
    let outcome = match request {
        Request::Version => Ok(Some(version())),
        Request::Common { method, args } => common(shared, &method, &args),
        Request::Databases { method } if method == "list" => Ok(Some(json!([shared.database]))),
        Request::Databases { .. } => Err(Refusal::denied()),
        Request::Object { login, model, method, args, kwargs } => shared
            .work(|state, now| check_login(shared, state, &login, now))
            .and_then(|uid| run(shared, None, Call { uid, model, method, args, kwargs })),
        Request::Known { uid, model, method, args, kwargs } => {
            run(shared, None, Call { uid, model, method, args, kwargs })
        }
        Request::CallKw { session, model, method, args, kwargs } => match shared.session_user(&session) {
            Some(uid) => run(shared, Some(&session), Call { uid, model, method, args, kwargs }),
            None => Err(Refusal::session_expired()),
        },
        Request::Session { action, session, params } => return session_action(shared, &action, &session, &params),
    };
    (outcome, None)
}

/// A call of a user who is known, over a session or without one.
fn run(shared: &Shared, session: Option<&str>, call: Call) -> Outcome {
    let Call { uid, model, method, args, kwargs } = &call;
    let outcome = keys::call(shared, *uid, session, (model.as_str(), method.as_str()), args, kwargs);
    outcome.unwrap_or_else(|| shared.work(|state, now| call::run(state, call, now)))
}

fn version() -> Value {
    json!({
        "server_version": VERSION,
        "server_version_info": version_info(),
        "server_serie": VERSION,
        "protocol_version": 1,
    })
}

fn common(shared: &Shared, method: &str, args: &[Value]) -> Outcome {
    match method {
        "version" => Ok(Some(version())),
        "about" => Ok(Some(json!("See http://openerp.com"))),
        "authenticate" | "login" => {
            if method == "authenticate" && args.len() < 4 {
                return Err(Refusal::type_error(
                    "exp_authenticate() missing 1 required positional argument: 'user_agent_env'",
                ));
            }
            let [database, login, password, ..] = args else {
                return Err(Refusal::type_error("exp_login() missing 1 required positional argument: 'password'"));
            };
            check_database(shared, database)?;
            let of_key = |state: &State| key_user(state, password, shared.clock.now());
            let uid = shared.read(|state| find_user(state, login, password).or_else(|| of_key(state)));
            Ok(Some(uid.map_or(Value::Bool(false), Value::from)))
        }
        other => Err(Refusal::exception(format!("Method not found: {other}"))),
    }
}

fn session_action(
    shared: &Shared,
    action: &str,
    session: &str,
    params: &Map<String, Value>,
) -> (Outcome, Option<String>) {
    match action {
        "authenticate" => {
            let given = |name: &str| params.get(name).unwrap_or(&Value::Null);
            if let Err(refusal) = check_database(shared, given("db")) {
                return (Err(refusal), None);
            }
            let Some(uid) = shared.read(|state| find_user(state, given("login"), given("password"))) else {
                return (Err(Refusal::denied()), None);
            };
            let key = shared.open_session(uid);
            let cookie = format!("session_id={key}; Max-Age=604800; HttpOnly; Path=/");
            (Ok(Some(info(shared, uid))), Some(cookie))
        }
        "destroy" => {
            shared.close_session(session);
            (Ok(None), None)
        }
        _ => match (shared.session_user(session), action) {
            (None, _) => (Err(Refusal::session_expired()), None),
            (Some(uid), "get_session_info") => (Ok(Some(info(shared, uid))), None),
            (Some(_), "check") => (Ok(None), None),
            (Some(_), _) => (Err(Refusal::exception("404: Not Found")), None),
        },
    }
}

/// What a session knows of itself.
fn info(shared: &Shared, uid: i64) -> Value {
    let user = shared.read(|state| {
        let model = state.schema.find("res.users")?;
        let one = state.view().get(model, uid)?;
        let partner = one.cell("partner_id").as_one();
        Some((one.name().into_owned(), one.cell("login").as_text().unwrap_or_default().to_owned(), partner))
    });
    let (name, login, partner) = user.unwrap_or_default();
    let is_admin = uid == 2;
    json!({
        "uid": uid,
        "is_system": is_admin,
        "is_admin": is_admin,
        "is_public": false,
        "is_internal_user": true,
        "user_context": {"lang": "en_US", "tz": "UTC", "uid": uid},
        "db": shared.database,
        "server_version": VERSION,
        "server_version_info": version_info(),
        "name": name,
        "username": login,
        "partner_id": partner,
        "web.base.url": shared.url(),
        "active_ids_limit": 20000,
    })
}

fn check_database(shared: &Shared, name: &Value) -> Result<(), Refusal> {
    if name.as_str() == Some(shared.database.as_str()) {
        return Ok(());
    }
    let name = name.as_str().unwrap_or_default();
    Err(Refusal::operational(format!("FATAL:  database \"{name}\" does not exist\n")))
}

/// The user of a login and password, if they are right and the user is active.
fn find_user(state: &State, login: &Value, password: &Value) -> Option<i64> {
    let (login, password) = (login.as_str()?, password.as_str().filter(|text| !text.is_empty())?);
    let users = state.view().all(state.schema.find("res.users")?);
    let mut found = users.filter(|one| one.cell("login").as_text() == Some(login) && one.cell("active").as_bool());
    found.find(|one| one.cell("password").as_text() == Some(password)).map(|one| one.id)
}

fn check_login(shared: &Shared, state: &State, login: &Login, now: Timestamp) -> Result<i64, Refusal> {
    check_database(shared, &login.database)?;
    let users = state.schema.find("res.users").ok_or_else(Refusal::denied)?;
    let one = state.view().get(users, login.uid).ok_or_else(|| Refusal::missing("res.users", login.uid, 1))?;
    let is_right = one.cell("password").as_text().is_some_and(|text| Some(text) == login.password.as_str())
        || key_user(state, &login.password, now) == Some(login.uid);
    if is_right && one.cell("active").as_bool() { Ok(login.uid) } else { Err(Refusal::denied()) }
}

/// The user whose API key it is: each active user has one, which begins with the log-in name, besides those that were
/// made.
pub(super) fn key_user(state: &State, key: &Value, now: Timestamp) -> Option<i64> {
    if let Some(uid) = state.keys.user(key.as_str()?, now) {
        return Some(uid);
    }
    let login = key.as_str()?.strip_suffix(super::super::API_KEY_END).filter(|login| !login.is_empty())?;
    let mut users = state.view().all(state.schema.find("res.users")?);
    users.find(|one| one.cell("login").as_text() == Some(login) && one.cell("active").as_bool()).map(|one| one.id)
}
