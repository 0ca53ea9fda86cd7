//! One open connection.

use super::messages::{FromClient, Subscribe, ToClient, error_text, notification_text};
use crate::auth::{self, Caller};
use crate::config::ms;
use crate::context::Context;
use crate::language::{Language, Message, Reason};
use crate::limits::{self, Class, Noted, Who};
use crate::problem::{Problem, ProblemKind, decoding};
use crate::sync::{self, Batch, Follower, Scope};
use axum::extract::ws::{CloseFrame, Message as Frame, WebSocket};
use bridge_model::{AppType, Position, Timestamp};
use bridge_store::CursorKey;
use futures_util::SinkExt as _;
use serde_json::Value;
use std::convert::Infallible;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// The channel of all changes.
const EVENTS: &str = "events";

/// Why a connection ends, as close codes: 1000 to 1013 are the protocol's, 4xxx are ours.
mod close {
    pub(super) const NORMAL: u16 = 1000;
    pub(super) const GOING_AWAY: u16 = 1001;
    pub(super) const NOT_READING: u16 = 1008;
    pub(super) const FAILED: u16 = 1011;
    pub(super) const UNAUTHENTICATED: u16 = 4401;
    pub(super) const NO_HEARTBEAT: u16 = 4408;
    pub(super) const TOO_MANY: u16 = 4429;
}

/// How long a closing handshake may take.
const CLOSE_TIMEOUT: Duration = Duration::from_secs(2);

/// The end of a connection: a close code and its reason.
#[derive(Debug)]
struct End {
    code: u16,
    reason: Message,
    /// What went wrong, where something did.
    problem: Option<Box<Problem>>,
}

impl End {
    fn because(code: u16, reason: Message) -> Self {
        Self { code, reason, problem: None }
    }

    fn stopping() -> Self {
        Self::because(close::GOING_AWAY, Message::service_stops())
    }
}

impl From<Problem> for End {
    fn from(problem: Problem) -> Self {
        let code = match problem.kind {
            ProblemKind::Unauthenticated => close::UNAUTHENTICATED,
            ProblemKind::RateLimited => close::TOO_MANY,
            _ => close::FAILED,
        };
        Self { code, reason: problem.message.clone(), problem: Some(Box::new(problem)) }
    }
}

/// Serves a connection to its end; `asked` is the language that its request asks for.
pub(super) async fn run(cx: Context, socket: WebSocket, caller: Option<Caller>, asked: Option<Language>) {
    let language = caller.as_ref().map_or(asked.unwrap_or_default(), Caller::speaks);
    let mut connection = Connection { cx: &cx, socket, asked, language };
    let caller = if let Some(caller) = caller {
        Ok(caller)
    } else {
        tokio::select! {
            caller = connection.first_message() => caller,
            () = cx.hub.sessions_have_to_end() => Err(End::stopping()),
        }
    };
    let end = match caller {
        Ok(caller) => {
            let mut session = Session {
                connection: &mut connection,
                caller,
                subscription: None,
                unanswered_pings: 0,
                accounts: cx.auth.changes(),
            };
            let end = session.serve().await;
            session.note_handed_out().await;
            end
        }
        Err(end) => end,
    };
    let reason = cx.texts.english(&end.reason);
    if let Some(problem) = &end.problem {
        tracing::warn!(code = problem.kind.code(), causes = %problem.causes(), "live changes: {reason}");
    }
    tracing::debug!(close.code = end.code, close.reason = reason, "a live connection ended");
    connection.close(end).await;
}

struct Connection<'a> {
    cx: &'a Context,
    socket: WebSocket,
    /// What the request asked for.
    asked: Option<Language>,
    /// What is spoken: as asked, until it is known who the caller is.
    language: Language,
}

impl Connection<'_> {
    /// Sends, or ends the connection if the client does not read.
    async fn send(&mut self, text: String) -> Result<(), End> {
        self.send_all(vec![text]).await
    }

    /// Sends several texts, together where the socket takes them together.
    async fn send_all(&mut self, texts: Vec<String>) -> Result<(), End> {
        let timeout = ms(self.cx.config.live.send_timeout_ms);
        for text in texts {
            sent(&tokio::time::timeout(timeout, self.socket.feed(Frame::text(text))).await)?;
        }
        sent(&tokio::time::timeout(timeout, self.socket.flush()).await)
    }

    /// The next text from the client; `None` for other kinds of message.
    async fn receive(&mut self) -> Result<Option<String>, End> {
        match self.socket.recv().await {
            Some(Ok(Frame::Text(text))) => Ok(Some(text.as_str().to_owned())),
            Some(Ok(Frame::Close(_))) | None => Err(End::because(close::NORMAL, Message::closed_by_client())),
            Some(Ok(Frame::Binary(_))) => Err(End::because(1003, Message::only_text())),
            Some(Ok(Frame::Ping(_) | Frame::Pong(_))) => Ok(None),
            Some(Err(error)) => {
                let too_large = error.to_string().contains("too long") || error.to_string().contains("too large");
                let code = if too_large { 1009 } else { close::GOING_AWAY };
                Err(End::because(code, Message::message_unreadable()))
            }
        }
    }

    /// Waits for the client to say who it is.
    async fn first_message(&mut self) -> Result<Caller, End> {
        let timeout = ms(self.cx.config.live.auth_timeout_ms);
        let wait = async {
            loop {
                if let Some(text) = self.receive().await? {
                    return Ok(text);
                }
            }
        };
        let text: Result<String, End> = tokio::time::timeout(timeout, wait)
            .await
            .unwrap_or_else(|_| Err(End::because(close::UNAUTHENTICATED, Message::no_token_in_time())));
        let Ok(FromClient::Auth { token }) = serde_json::from_str(&text?) else {
            return Err(End::because(close::UNAUTHENTICATED, Message::first_message_must_be_auth()));
        };
        let caller = auth::caller(self.cx, &token, self.asked).await?;
        self.language = caller.speaks();
        limits::count(self.cx, &Noted::default(), Who::from(&caller), Class::Reads).await?;
        Ok(caller)
    }

    async fn tell(&mut self, problem: &Problem) -> Result<(), End> {
        self.send(error_text(self.cx, self.language, problem)).await
    }

    async fn close(mut self, end: End) {
        let said = self.cx.texts.say(self.language, &end.reason);
        let mut reason = match &end.problem {
            Some(problem) => format!("{}: {said}", problem.kind.code()),
            None => said,
        };
        // The protocol allows 123 bytes.
        while reason.len() > 123 {
            reason.pop();
        }
        let frame = Frame::Close(Some(CloseFrame { code: end.code, reason: reason.into() }));
        // Best effort: who does not read gets the reason only if they start to within this time.
        let _ = tokio::time::timeout(CLOSE_TIMEOUT, self.socket.send(frame)).await;
    }
}

/// What became of a send.
fn sent<E>(outcome: &Result<Result<(), E>, tokio::time::error::Elapsed>) -> Result<(), End> {
    match outcome {
        Ok(Ok(())) => Ok(()),
        Ok(Err(_)) => Err(End::because(close::GOING_AWAY, Message::connection_gone())),
        Err(_) => Err(End::because(close::NOT_READING, Message::client_does_not_read())),
    }
}

/// What a connection listens to.
struct Subscription {
    follower: Follower,
    /// The device's cursor, if the subscription names a device.
    cursor: Option<CursorKey>,
    /// Whether the client was told that it has caught up.
    live: bool,
    /// Whether the subscription goes on from what the device was handed out before, without a hole.
    joins: bool,
    /// When it was last noted what was sent.
    noted_at: Option<Instant>,
    /// Whether more was sent since.
    to_note: bool,
}

/// How often it is noted what a device was sent. A pull may name as its token whatever was noted.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);

impl Subscription {
    /// To be said before a batch is sent: whether it should be noted at once. Otherwise it is noted soon.
    fn sends_on(&mut self) -> bool {
        self.to_note = self.cursor.is_some();
        self.to_note && self.noted_at.is_none_or(|at| at.elapsed() >= NOTE_INTERVAL)
    }

    /// When what was sent should be noted, if there is something to note.
    fn note_at(&self) -> Option<Instant> {
        let noted_at = self.noted_at.filter(|_| self.to_note)?;
        Some(noted_at + NOTE_INTERVAL)
    }
}

struct Session<'a, 'b> {
    connection: &'a mut Connection<'b>,
    caller: Caller,
    subscription: Option<Subscription>,
    unanswered_pings: u32,
    /// Tells when sessions and users were changed on this node.
    accounts: watch::Receiver<u64>,
}

/// What happens next on a connection.
enum Next {
    Said(Option<String>),
    Changes(Result<Option<Batch>, Problem>),
    Heartbeat,
    /// Accounts were changed: this one's, perhaps.
    Accounts,
    /// It is time to note what was sent.
    Note,
}

impl Session<'_, '_> {
    async fn serve(&mut self) -> End {
        let cx = self.connection.cx;
        // Wherever it is, also in the middle of a send to a client that does not read: a stop does not wait for that.
        tokio::select! {
            end = self.serve_until_end() => end,
            () = cx.hub.sessions_have_to_end() => End::stopping(),
        }
    }

    async fn serve_until_end(&mut self) -> End {
        match self.work().await {
            Ok(never) => match never {},
            Err(end) => end,
        }
    }

    /// Goes on until something ends the connection.
    async fn work(&mut self) -> Result<Infallible, End> {
        self.say_authenticated().await?;
        let pause = ms(self.connection.cx.config.live.heartbeat_ms);
        let mut heartbeat = tokio::time::interval_at(tokio::time::Instant::now() + pause, pause);
        heartbeat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            match self.wait(&mut heartbeat).await? {
                Next::Said(None) => self.unanswered_pings = 0,
                Next::Said(Some(text)) => {
                    self.unanswered_pings = 0;
                    if let Err(problem) = self.hear(&text).await? {
                        self.connection.tell(&problem).await?;
                    }
                }
                Next::Changes(batch) => self.pass_on(batch?).await?,
                Next::Heartbeat => self.beat().await?,
                Next::Accounts => self.recheck().await?,
                Next::Note => self.note_handed_out().await,
            }
        }
    }

    /// Waits for whatever comes first. Dropping the follower's wait loses nothing: its place moves only with a batch.
    async fn wait(&mut self, heartbeat: &mut tokio::time::Interval) -> Result<Next, End> {
        let cx = self.connection.cx;
        let rows_max = cx.config.live.batch_rows_max;
        let note_at = self.subscription.as_ref().and_then(Subscription::note_at);
        let note = async {
            match note_at {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        let accounts = &mut self.accounts;
        let changes = async {
            match &mut self.subscription {
                Some(subscription) => subscription.follower.next(cx, rows_max).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            said = self.connection.receive() => said.map(Next::Said),
            _ = heartbeat.tick() => Ok(Next::Heartbeat),
            // The sender lives as long as the service.
            _ = accounts.changed() => Ok(Next::Accounts),
            () = note => Ok(Next::Note),
            batch = changes => Ok(Next::Changes(batch)),
        }
    }

    async fn say_authenticated(&mut self) -> Result<(), End> {
        let message = ToClient::Authenticated { user_id: self.caller.user.0, expires_at: self.caller.expires_at };
        self.connection.send(message.text()).await
    }

    /// The outer error ends the connection, the inner one is told to the client.
    async fn hear(&mut self, text: &str) -> Result<Result<(), Problem>, End> {
        let said: FromClient = match serde_json::from_str(text) {
            Ok(said) => said,
            Err(error) => return Ok(Err(decoding::message(&error))),
        };
        match said {
            FromClient::Auth { token } => self.renew(&token).await,
            FromClient::Subscribe(wish) => self.subscribe(*wish).await,
            FromClient::Unsubscribe { channel } => {
                self.note_handed_out().await;
                self.subscription = None;
                let message = ToClient::Unsubscribed { channel: &channel };
                self.connection.send(message.text()).await.map(Ok)
            }
            FromClient::Ack { position } => self.ack(&position).await,
            FromClient::Ping => self.connection.send(ToClient::Pong.text()).await.map(Ok),
            FromClient::Pong => Ok(Ok(())),
        }
    }

    /// A fresh token of the same user lets the connection live on.
    async fn renew(&mut self, token: &str) -> Result<Result<(), Problem>, End> {
        let caller = match auth::caller(self.connection.cx, token, self.connection.asked).await {
            Ok(caller) => caller,
            Err(problem) => return Ok(Err(problem)),
        };
        if (caller.tenant, caller.user) != (self.caller.tenant, self.caller.user) {
            return Ok(Err(Problem::new(ProblemKind::Forbidden, Message::token_of_another_user())));
        }
        self.adopt(caller)?;
        self.say_authenticated().await.map(Ok)
    }

    async fn subscribe(&mut self, wish: Subscribe) -> Result<Result<(), Problem>, End> {
        self.note_handed_out().await;
        self.subscription = None;
        let subscription = match prepare(self.connection.cx, &self.caller, wish).await {
            Ok(subscription) => subscription,
            Err(problem) => return Ok(Err(problem)),
        };
        let position = subscription.follower.position().to_string();
        self.subscription = Some(subscription);
        self.connection.send(ToClient::Subscribed { channel: EVENTS, position: position.clone() }.text()).await?;
        self.say_live_if_caught_up().await.map(Ok)
    }

    /// Sends a batch on.
    async fn pass_on(&mut self, batch: Option<Batch>) -> Result<(), End> {
        let Some(batch) = batch else { return self.say_resync().await };
        if self.caller.expires_at <= self.now() {
            return Err(End::because(close::UNAUTHENTICATED, Message::token_expired()));
        }
        if self.subscription.as_mut().is_some_and(Subscription::sends_on) {
            self.note_handed_out().await;
        }
        let texts = batch.events.iter().map(|event| notification_text(EVENTS, event)).collect();
        self.connection.send_all(texts).await?;
        if batch.scanned_to >= batch.head {
            self.say_live_if_caught_up().await?;
        }
        Ok(())
    }

    async fn say_live_if_caught_up(&mut self) -> Result<(), End> {
        let cx = self.connection.cx;
        let Some(subscription) = &mut self.subscription else { return Ok(()) };
        if subscription.live {
            return Ok(());
        }
        let head = cx.store.head(subscription.follower.viewer().tenant).await.map_err(Problem::from)?;
        if subscription.follower.position() >= head {
            subscription.live = true;
            let position = subscription.follower.position().to_string();
            self.connection.send(ToClient::Live { channel: EVENTS, position }.text()).await?;
        }
        Ok(())
    }

    async fn say_resync(&mut self) -> Result<(), End> {
        self.subscription = None;
        let head = self.connection.cx.store.head(self.caller.tenant).await.map_err(Problem::from)?;
        let message = ToClient::ResyncRequired { channel: EVENTS, snapshot_position: head.to_string() };
        self.connection.send(message.text()).await
    }

    /// Moves the device's cursor; never above what this connection has sent.
    async fn ack(&mut self, position: &Value) -> Result<Result<(), Problem>, End> {
        let Some((key, sent)) = self.device() else {
            let problem = Problem::field("device_id", Reason::device_named_before());
            return Ok(Err(problem));
        };
        let confirmed = async {
            let position = parse_position(position)?;
            sync::confirm(self.connection.cx, &key, position, Some(sent)).await
        };
        match confirmed.await {
            Ok(cursor) => {
                let message = ToClient::Acked { position: cursor.confirmed.to_string() };
                self.connection.send(message.text()).await.map(Ok)
            }
            Err(problem) => Ok(Err(problem)),
        }
    }

    /// The device's cursor and what this connection has handed out beyond it: nothing, if it began beyond what the
    /// device was ever handed out.
    fn device(&self) -> Option<(CursorKey, Position)> {
        let subscription = self.subscription.as_ref()?;
        let sent = if subscription.joins { subscription.follower.position() } else { Position::START };
        Some((subscription.cursor.clone()?, sent))
    }

    /// Looks whether the session still holds and the user is still who they were when the connection was opened.
    async fn recheck(&mut self) -> Result<(), End> {
        self.accounts.borrow_and_update();
        let caller = auth::recheck(self.connection.cx, &self.caller).await?;
        self.adopt(caller)
    }

    /// Takes over fresh facts. What the user may see was decided at the subscription, so that a change of it ends
    /// the connection.
    fn adopt(&mut self, caller: Caller) -> Result<(), End> {
        let sight = |caller: &Caller| (caller.role, caller.odoo_user_id);
        let moved = self.caller.odoo_system.is_some() && caller.odoo_system != self.caller.odoo_system;
        if moved || sight(&caller) != sight(&self.caller) {
            return Err(End::because(close::GOING_AWAY, Message::user_was_changed()));
        }
        self.connection.language = caller.speaks();
        self.caller = caller;
        Ok(())
    }

    async fn beat(&mut self) -> Result<(), End> {
        self.recheck().await?;
        if self.unanswered_pings >= 2 {
            return Err(End::because(close::NO_HEARTBEAT, Message::no_answer_to_heartbeats()));
        }
        self.unanswered_pings += 1;
        self.note_handed_out().await;
        let timestamp = self.now();
        self.connection.send(ToClient::Ping { timestamp }.text()).await
    }

    /// Notes what was sent as handed out, so that a later pull of the device may name it as its token.
    async fn note_handed_out(&mut self) {
        let Some((key, sent)) = self.device() else { return };
        if let Some(subscription) = &mut self.subscription {
            subscription.noted_at = Some(Instant::now());
            subscription.to_note = false;
        }
        if let Err(problem) = sync::note_handed_out(self.connection.cx, &key, sent).await {
            tracing::warn!(causes = %problem.causes(), "note what a connection was sent: {}", self.connection.cx.texts.english(&problem.message));
        }
    }

    fn now(&self) -> Timestamp {
        self.connection.cx.clock.now()
    }
}

/// Finds out what a client wishes to hear and from where on.
async fn prepare(cx: &Context, caller: &Caller, wish: Subscribe) -> Result<Subscription, Problem> {
    if wish.channel != EVENTS {
        return Err(Problem::field("channel", Reason::one_of(EVENTS)).with("channels", vec![EVENTS]));
    }
    let viewer = sync::viewer_for(cx, caller, None).await?;
    if !viewer.is_admin && viewer.erp_user_id.is_none() {
        return Err(Problem::new(ProblemKind::ErpUserNotLinked, Message::no_erp_user()));
    }
    let app_type = match wish.app_type {
        Some(app_type) => app_type,
        None => AppType::parse("mobile_app")?,
    };
    let scope = Scope::resolve(cx, viewer.tenant, app_type, wish.models, wish.system_id.as_ref()).await?;
    let cursor = wish.device_id.map(|device| scope.cursor_key(&viewer, device));
    let head = cx.store.head(viewer.tenant).await?;
    let start = match (&wish.since, &cursor) {
        (Some(since), _) => since_position(cx, viewer.tenant, since).await?,
        // A device that never synced has the same beginning here as in a pull: what it did not get it can't confirm.
        (None, Some(key)) => cx.store.cursor(key).await?.map_or(Position::START, |cursor| cursor.confirmed),
        (None, None) => head,
    };
    if start > head {
        return Err(
            Problem::new(ProblemKind::InvalidSyncToken, Message::position_not_in_log()).with("head", head.to_string())
        );
    }
    let joins = match &cursor {
        Some(key) => start <= sync::open_cursor(cx, key, start).await?.offered,
        None => false,
    };
    let follower = Follower::new(cx, viewer, scope, start);
    Ok(Subscription { follower, cursor, live: false, joins, noted_at: None, to_note: false })
}

/// `since`: digits are a position, RFC 3339 is a time.
async fn since_position(cx: &Context, tenant: bridge_model::TenantId, since: &Value) -> Result<Position, Problem> {
    if let Ok(position) = parse_position(since) {
        return Ok(position);
    }
    let time = since.as_str().and_then(|text| Timestamp::parse_rfc3339(text).ok());
    let time = time.ok_or_else(|| Problem::field("since", Reason::position_or_time()))?;
    Ok(cx.store.position_before(tenant, time).await?)
}

fn parse_position(value: &Value) -> Result<Position, Problem> {
    let parsed = match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.as_i64().filter(|number| *number >= 0).map(Position::new),
        _ => None,
    };
    parsed.ok_or_else(|| Problem::field("position", Reason::whole_number_from_0()))
}
