//! A server that speaks Odoo's API over the tables that the writers write: each call sees what is committed when it is
//! made, as in a real one.

use super::link::Link;
use super::script::TABLES;
use crate::support::OdooDatabase;
use axum::extract::{Path, State};
use axum::routing::post;
use axum::{Json, Router};
use serde_json::{Map, Value, json};
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_postgres::{Client, Error};

/// The event table's model.
pub(super) const FEED: &str = "update.webhook";

/// What a record of the tables holds, with its types.
const FIELDS: [(&str, &str); 5] = [
    ("id", "integer"),
    ("name", "char"),
    ("version", "integer"),
    ("create_date", "datetime"),
    ("write_date", "datetime"),
];

/// Makes the tables like an ORM's: the times in each row are the transaction's, by a clock that can be put forward.
pub(super) async fn keep_times(database: &OdooDatabase) {
    let mut sql = "
        CREATE TABLE torture_clock (behind interval NOT NULL);
        INSERT INTO torture_clock VALUES ('1000 days');
        CREATE FUNCTION torture_stamp() RETURNS trigger LANGUAGE plpgsql AS $$
        BEGIN
          NEW.write_date := (now() AT TIME ZONE 'UTC') - (SELECT behind FROM torture_clock);
          IF TG_OP = 'INSERT' THEN NEW.create_date := NEW.write_date; END IF;
          RETURN NEW;
        END $$;"
        .to_owned();
    sql.extend(TABLES.map(|(table, _)| {
        format!(
            "ALTER TABLE {table} ADD COLUMN IF NOT EXISTS name varchar, ADD COLUMN IF NOT EXISTS write_date timestamp,
               ADD COLUMN create_date timestamp;
             CREATE TRIGGER torture_stamp BEFORE INSERT OR UPDATE ON {table} FOR EACH ROW
               EXECUTE FUNCTION torture_stamp();"
        )
    }));
    database.client().await.batch_execute(&sql).await.unwrap();
}

/// Makes the event table of the add-on, which is written in the writers' own transactions: its ids are given before
/// they commit.
pub(super) async fn keep_events(database: &OdooDatabase) {
    let mut sql = "
        ALTER TABLE update_webhook ADD COLUMN model varchar, ADD COLUMN record_id integer, ADD COLUMN event varchar,
          ADD COLUMN \"timestamp\" timestamp, ADD COLUMN payload jsonb;
        CREATE TABLE torture_cleaned (id bigint NOT NULL);
        INSERT INTO torture_cleaned VALUES (0);
        CREATE FUNCTION torture_tell() RETURNS trigger LANGUAGE plpgsql AS $$
        DECLARE
          written record;
        BEGIN
          IF TG_OP = 'DELETE' THEN written := OLD; ELSE written := NEW; END IF;
          INSERT INTO update_webhook (model, record_id, event, \"timestamp\", payload)
            VALUES (TG_ARGV[0], written.id, CASE TG_OP WHEN 'INSERT' THEN 'create' WHEN 'UPDATE' THEN 'write'
              ELSE 'unlink' END, now() AT TIME ZONE 'UTC', jsonb_build_object('version', written.version));
          RETURN NULL;
        END $$;"
        .to_owned();
    sql.extend(TABLES.map(|(table, model)| {
        format!(
            "CREATE TRIGGER torture_tell AFTER INSERT OR UPDATE OR DELETE ON {table} FOR EACH ROW
               EXECUTE FUNCTION torture_tell('{model}');"
        )
    }));
    database.client().await.batch_execute(&sql).await.unwrap();
}

/// The server. It ends with this.
pub(super) struct OdooServer {
    pub(super) address: SocketAddr,
    serving: JoinHandle<()>,
}

/// What it answers from.
struct Behind {
    /// The database.
    erp: Link,
    /// Whether the add-on is there.
    has_feed: bool,
}

impl OdooServer {
    pub(super) async fn start(database: &OdooDatabase, has_feed: bool) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let session = || async { ([("set-cookie", "session_id=torture; Path=/")], result(&json!({ "uid": 2 }))) };
        let router = Router::new()
            .route("/web/webclient/version_info", post(|| async { result(&json!({ "server_version": "18.0" })) }))
            .route("/web/session/authenticate", post(session))
            .route("/web/session/get_session_info", post(session))
            .route("/web/dataset/call_kw/{model}/{method}", post(called))
            .with_state(Arc::new(Behind { erp: Link::to(database.url()), has_feed }));
        let serving = tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        Self { address, serving }
    }
}

impl Drop for OdooServer {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

fn result(result: &Value) -> Json<Value> {
    Json(json!({ "jsonrpc": "2.0", "id": 1, "result": result }))
}

/// Why a call is not answered.
enum Refusal {
    /// There is no such model.
    NotFound,
    /// The database is away, or lost the connection.
    Database,
}

impl From<Error> for Refusal {
    fn from(_: Error) -> Self {
        Self::Database
    }
}

async fn called(
    State(behind): State<Arc<Behind>>,
    Path((model, method)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Json<Value> {
    let params = &body["params"];
    let name = match answer(&behind, &model, &method, &params["args"], &params["kwargs"]).await {
        Ok(answer) => return result(&answer),
        Err(Refusal::NotFound) => "werkzeug.exceptions.NotFound",
        Err(Refusal::Database) => "psycopg2.OperationalError",
    };
    Json(json!({ "jsonrpc": "2.0", "id": 1, "error": { "data": { "name": name, "message": "not now" } } }))
}

async fn answer(behind: &Behind, model: &str, method: &str, args: &Value, kwargs: &Value) -> Result<Value, Refusal> {
    let asked = || Asked {
        domain: if kwargs["domain"].is_array() { kwargs["domain"].clone() } else { args[0].clone() },
        fields: kwargs["fields"].as_array().into_iter().flatten().filter_map(Value::as_str).collect(),
        order: kwargs["order"].as_str().unwrap_or("id"),
        limit: kwargs["limit"].as_i64(),
    };
    let models = || TABLES.iter().map(|(_, model)| *model);
    match (model, method) {
        ("ir.model", "search_read") => {
            Ok(models().map(|model| json!({ "model": model, "name": model, "transient": false })).collect())
        }
        ("ir.model.fields", "search_read") => Ok(models().map(|model| json!({ "model": model })).collect()),
        (FEED, "bridgecore_info") if behind.has_feed => info(&*behind.erp.open().await?).await,
        (FEED, "events_by_ids") if behind.has_feed => {
            let fields = vec!["id", "model", "record_id", "event", "timestamp", "payload"];
            let named = Asked { domain: json!([["id", "in", args[0]]]), fields, order: "id", limit: None };
            let events = rows(&*behind.erp.open().await?, "update_webhook", &named).await?;
            Ok(json!({ "count": events.len(), "events": events }))
        }
        (FEED, "search_read") if behind.has_feed => {
            let mut asked = asked();
            asked.fields.retain(|field| ["id", "model", "record_id", "event", "timestamp", "payload"].contains(field));
            Ok(rows(&*behind.erp.open().await?, "update_webhook", &asked).await?.into())
        }
        _ => {
            let Some((table, _)) = TABLES.iter().find(|(_, known)| *known == model) else {
                return Err(Refusal::NotFound);
            };
            match method {
                "search_read" => Ok(rows(&*behind.erp.open().await?, table, &asked()).await?.into()),
                "search_count" => {
                    let sql = format!("SELECT count(*) FROM {table} WHERE {}", condition(&asked().domain));
                    Ok(behind.erp.open().await?.query_one(&sql, &[]).await?.get::<_, i64>(0).into())
                }
                "fields_get" => {
                    let described = |(name, kind): &(&str, &str)| {
                        ((*name).to_owned(), json!({ "string": name, "type": kind, "store": true }))
                    };
                    Ok(Value::Object(FIELDS.iter().map(described).collect::<Map<_, _>>()))
                }
                _ => Err(Refusal::NotFound),
            }
        }
    }
}

/// What the add-on says of its table. A restored copy has another name, and so its events another life.
async fn info(erp: &Client) -> Result<Value, Refusal> {
    let sql = "SELECT (SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM update_webhook_id_seq),
            (SELECT 'torture/' || oid FROM pg_database WHERE datname = current_database()) || '/'
              || 'update_webhook'::regclass::oid,
            (SELECT coalesce(max(extract(epoch FROM clock_timestamp() - xact_start)), 0)::float8 FROM pg_stat_activity
              WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start IS NOT NULL),
            (SELECT id FROM torture_cleaned)";
    let row = erp.query_one(sql, &[]).await?;
    let (last, epoch, age_s, cleaned_to): (i64, String, f64, i64) = (row.get(0), row.get(1), row.get(2), row.get(3));
    let models: Vec<_> = TABLES.iter().map(|(_, model)| *model).collect();
    Ok(json!({
        "addon": "bridgecore", "version": "1.0", "epoch": epoch, "event_id_last": last,
        "event_id_cleaned_to": cleaned_to, "transaction_age_max_s": age_s, "tracked_models": models,
    }))
}

/// A question to a table.
pub(super) struct Asked<'a> {
    pub(super) domain: Value,
    pub(super) fields: Vec<&'a str>,
    pub(super) order: &'a str,
    pub(super) limit: Option<i64>,
}

impl Asked<'_> {
    /// Everything of the records that a domain finds.
    pub(super) fn all(domain: Value) -> Self {
        let fields = FIELDS.iter().map(|(name, _)| *name).collect();
        Asked { domain, fields, order: "id", limit: None }
    }
}

/// The rows, as Odoo writes them: times in whole seconds, and `false` where there is nothing.
pub(super) async fn rows(erp: &Client, table: &str, asked: &Asked<'_>) -> Result<Vec<Value>, Error> {
    let value = |field: &str| match field {
        "write_date" | "create_date" | "timestamp" => format!("to_char(\"{field}\", 'YYYY-MM-DD HH24:MI:SS')"),
        _ => field.to_owned(),
    };
    let fields = std::iter::once("id").chain(asked.fields.iter().copied().filter(|field| *field != "id"));
    let pairs: Vec<_> =
        fields.map(|field| format!("'{field}', coalesce(to_jsonb({}), 'false')", value(field))).collect();
    let limit = asked.limit.map_or(String::new(), |limit| format!("LIMIT {limit}"));
    let sql = format!(
        "SELECT jsonb_build_object({}) FROM {table} WHERE {} ORDER BY {} {limit}",
        pairs.join(", "),
        condition(&asked.domain),
        asked.order
    );
    let found = erp.query(&sql, &[]).await?;
    Ok(found.iter().map(|row| row.get(0)).collect())
}

/// The terms of a domain, all of which hold.
fn condition(domain: &Value) -> String {
    let term = |term: &Value| {
        let (field, operator) = (term[0].as_str().unwrap(), term[1].as_str().unwrap());
        assert!(field.chars().all(|c| c.is_ascii_lowercase() || c == '_'), "{term}");
        match (operator, &term[2]) {
            ("in", Value::Array(ids)) => format!("{field} = ANY(ARRAY{}::bigint[])", Value::from(ids.clone())),
            ("!=", Value::Bool(false)) => format!("{field} IS NOT NULL"),
            (">" | ">=" | "<" | "<=" | "=", Value::Number(number)) => format!("{field} {operator} {number}"),
            (">" | ">=" | "<" | "<=" | "=", Value::String(text)) => {
                format!("{field} {operator} '{}'", text.replace('\'', "''"))
            }
            _ => panic!("the server does not know {term}"),
        }
    };
    let terms: Vec<_> = domain.as_array().into_iter().flatten().map(term).collect();
    if terms.is_empty() { "true".to_owned() } else { terms.join(" AND ") }
}
