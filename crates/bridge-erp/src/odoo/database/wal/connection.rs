//! A connection in replication mode, which the usual driver does not have: log in, send a command, and from
//! `START_REPLICATION` on talk in both directions.
//!
//! Of the crates that can do this, the one that was tried (`pgwire-replication`) links a second crypto library when
//! TLS is on. What is left to write is little, since logging in and the forms of the messages come from the driver's
//! own protocol crate.

use super::error::{address, closed, cut, too_slow, unreadable};
use super::pgoutput::Malformed;
use super::socket::{Io, Socket};
use crate::odoo::database::connect::target;
use crate::odoo::database::places::{Place, places};
use crate::odoo::database::{DatabaseError, DatabaseErrorKind};
use crate::outbound::Outbound;
use bytes::{Buf, BytesMut};
use fallible_iterator::FallibleIterator as _;
use postgres_protocol::authentication::md5_hash;
use postgres_protocol::authentication::sasl::{ChannelBinding, SCRAM_SHA_256, ScramSha256};
use postgres_protocol::message::backend::{self, ErrorFields, Message};
use postgres_protocol::message::frontend;
use rustls::pki_types::ServerName;
use std::sync::Arc;
use std::time::Duration;
use std::{fmt, io};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpStream, UnixStream};
use tokio_postgres::Config;
use tokio_postgres::config::ChannelBinding as WantedBinding;
use tokio_rustls::TlsConnector;

/// The longest message that is taken before the log is read: errors and small answers.
const ANSWER_BYTES_MAX: usize = 1024 * 1024;

/// How much is read from the socket at once, in bytes.
const READ_BYTES: usize = 64 * 1024;

/// What a connection is made with.
#[derive(Clone)]
pub struct Target {
    /// The server, the database and the credential.
    pub config: Config,
    /// How to encrypt; `None` sends everything in the open.
    pub tls: Option<Arc<rustls::ClientConfig>>,
    /// How the connection names itself to the database's administrators.
    pub application_name: String,
    /// How long making the connection, and each command, may take.
    pub timeout: Duration,
    /// After how long without a word from us the server ends the connection and frees the slot.
    pub sender_timeout: Duration,
    /// Which addresses may be connected to.
    pub outbound: Outbound,
}

impl fmt::Debug for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Target").field("application_name", &self.application_name).finish_non_exhaustive()
    }
}

impl Target {
    /// The target of a `postgres://` address, the same as a connection's that is no replication.
    pub fn new(
        url: &str,
        application_name: &str,
        timeout: Duration,
        sender_timeout: Duration,
        outbound: Outbound,
    ) -> Result<Self, DatabaseError> {
        let (config, tls) = target(url)?;
        let (tls, application_name) = (tls.map(Arc::new), application_name.to_owned());
        Ok(Self { config, tls, application_name, timeout, sender_timeout, outbound })
    }
}

/// A connection that has logged in.
pub struct Connection {
    io: Box<dyn Io>,
    /// What was read and not yet looked at.
    pub(super) buffer: BytesMut,
    timeout: Duration,
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connection").finish_non_exhaustive()
    }
}

/// One row of an answer; `None` is NULL.
pub type AnswerRow = Vec<Option<String>>;

impl Connection {
    /// Connects and logs in.
    pub async fn open(target: &Target) -> Result<Self, DatabaseError> {
        let opened = async {
            let mut connection = Self { io: dial(target).await?, buffer: BytesMut::new(), timeout: target.timeout };
            connection.log_in(target).await?;
            Ok(connection)
        };
        tokio::time::timeout(target.timeout, opened).await.unwrap_or(Err(too_slow()))
    }

    /// Sends one command (`IDENTIFY_SYSTEM`, `CREATE_REPLICATION_SLOT …`) and answers its rows.
    pub async fn command(&mut self, command: &str, timeout: Duration) -> Result<Vec<AnswerRow>, DatabaseError> {
        let answer = async {
            self.send(|buffer| frontend::query(command, buffer)).await?;
            self.rows().await
        };
        tokio::time::timeout(timeout, answer).await.unwrap_or(Err(too_slow()))
    }

    /// Sends a `START_REPLICATION` command; from then on both sides send as they like.
    pub(super) async fn start(&mut self, command: &str) -> Result<(), DatabaseError> {
        let timeout = self.timeout;
        let started = async {
            self.send(|buffer| frontend::query(command, buffer)).await?;
            loop {
                // The protocol crate does not know the answer that begins the copying both ways.
                if self.tag().await? == b'W' {
                    let length = self.length()?;
                    self.fill(length).await?;
                    self.buffer.advance(length);
                    return Ok(());
                }
                if let Message::ErrorResponse(body) = self.message().await? {
                    return Err(refusal(body.fields()));
                }
            }
        };
        tokio::time::timeout(timeout, started).await.unwrap_or(Err(too_slow()))
    }

    /// Reads more into the buffer. May be dropped at any time without losing anything.
    pub(super) async fn read_more(&mut self) -> Result<(), DatabaseError> {
        self.buffer.reserve(READ_BYTES);
        match self.io.read_buf(&mut self.buffer).await {
            Ok(0) => Err(closed()),
            Ok(_) => Ok(()),
            Err(error) => Err(cut(error)),
        }
    }

    /// Leaves the socket unwatched until it is next read from or written to.
    pub(super) fn rest(&mut self) -> Result<(), DatabaseError> {
        self.io.rest().map_err(cut)
    }

    /// Sends what `write` puts into the buffer.
    pub(super) async fn send(
        &mut self,
        write: impl FnOnce(&mut BytesMut) -> io::Result<()>,
    ) -> Result<(), DatabaseError> {
        let mut bytes = BytesMut::new();
        write(&mut bytes).map_err(cut)?;
        self.io.write_all(&bytes).await.map_err(cut)?;
        self.io.flush().await.map_err(cut)
    }

    async fn log_in(&mut self, target: &Target) -> Result<(), DatabaseError> {
        let config = &target.config;
        let user = config.get_user().ok_or(address("it names no user"))?;
        let sender_timeout = target.sender_timeout.as_millis().to_string();
        let parameters = [
            ("user", user),
            ("database", config.get_dbname().unwrap_or(user)),
            ("replication", "database"),
            ("application_name", target.application_name.as_str()),
            ("client_encoding", "UTF8"),
            ("DateStyle", "ISO"),
            ("TimeZone", "UTC"),
            ("wal_sender_timeout", sender_timeout.as_str()),
        ];
        self.send(|buffer| frontend::startup_message(parameters, buffer)).await?;
        self.authenticate(user, config.get_password()).await?;
        self.rows().await.map(drop)
    }

    async fn authenticate(&mut self, user: &str, password: Option<&[u8]>) -> Result<(), DatabaseError> {
        let no_password = || address("the server asks for a password and there is none");
        let mut scram = None;
        loop {
            match self.message().await? {
                Message::AuthenticationOk => return Ok(()),
                Message::AuthenticationCleartextPassword => {
                    let password = password.ok_or_else(no_password)?;
                    self.send(|buffer| frontend::password_message(password, buffer)).await?;
                }
                Message::AuthenticationMd5Password(body) => {
                    let hash = md5_hash(user.as_bytes(), password.ok_or_else(no_password)?, body.salt());
                    self.send(|buffer| frontend::password_message(hash.as_bytes(), buffer)).await?;
                }
                Message::AuthenticationSasl(body) => {
                    let mut offered = body.mechanisms();
                    let mut known = false;
                    while let Some(mechanism) = offered.next().map_err(unreadable)? {
                        known |= mechanism == SCRAM_SHA_256;
                    }
                    if !known {
                        return Err(address("the server offers no way to log in that is known here"));
                    }
                    let exchange = ScramSha256::new(password.ok_or_else(no_password)?, ChannelBinding::unsupported());
                    self.send(|buffer| frontend::sasl_initial_response(SCRAM_SHA_256, exchange.message(), buffer))
                        .await?;
                    scram = Some(exchange);
                }
                Message::AuthenticationSaslContinue(body) => {
                    let exchange = scram.as_mut().ok_or_else(out_of_turn)?;
                    exchange.update(body.data()).map_err(unreadable)?;
                    self.send(|buffer| frontend::sasl_response(exchange.message(), buffer)).await?;
                }
                Message::AuthenticationSaslFinal(body) => {
                    scram.as_mut().ok_or_else(out_of_turn)?.finish(body.data()).map_err(unreadable)?;
                }
                Message::ErrorResponse(body) => return Err(refusal(body.fields())),
                Message::NoticeResponse(_) => {}
                _ => return Err(address("the server asks for a way to log in that is not known here")),
            }
        }
    }

    /// The rows of an answer, up to where the server is ready for the next command.
    async fn rows(&mut self) -> Result<Vec<AnswerRow>, DatabaseError> {
        let (mut rows, mut refused) = (Vec::new(), None);
        loop {
            match self.message().await? {
                Message::DataRow(body) => {
                    let value = |range: Option<std::ops::Range<usize>>| {
                        Ok(range.map(|range| String::from_utf8_lossy(&body.buffer()[range]).into_owned()))
                    };
                    rows.push(body.ranges().map(value).collect().map_err(unreadable)?);
                }
                Message::ErrorResponse(body) => {
                    let refusal = refusal(body.fields());
                    if leaves(&refusal) {
                        return Err(refusal);
                    }
                    refused = Some(refusal);
                }
                Message::ReadyForQuery(_) => return refused.map_or(Ok(rows), Err),
                _ => {}
            }
        }
    }

    /// The next message, once it is whole.
    async fn message(&mut self) -> Result<Message, DatabaseError> {
        self.tag().await?;
        let length = self.length()?;
        self.fill(length).await?;
        let message = Message::parse(&mut self.buffer).map_err(unreadable)?;
        message.ok_or(Malformed { what: "a message that is cut off" }.into())
    }

    async fn tag(&mut self) -> Result<u8, DatabaseError> {
        self.fill(5).await?;
        Ok(self.buffer[0])
    }

    /// The whole length of the message at the buffer's start, whose head has been read.
    fn length(&self) -> Result<usize, DatabaseError> {
        let header = backend::Header::parse(&self.buffer).map_err(unreadable)?;
        let length = header.and_then(|header| usize::try_from(header.len()).ok()).map(|length| length + 1);
        length.filter(|length| *length <= ANSWER_BYTES_MAX).ok_or(DatabaseError::from(TOO_LONG))
    }

    async fn fill(&mut self, bytes: usize) -> Result<(), DatabaseError> {
        while self.buffer.len() < bytes {
            self.read_more().await?;
        }
        Ok(())
    }
}

const TOO_LONG: Malformed = Malformed { what: "a message that is too long" };

fn out_of_turn() -> DatabaseError {
    Malformed { what: "a step of the log-in out of turn" }.into()
}

/// Whether the server leaves after such a message instead of getting ready again: it takes no log-in, has no room,
/// starts or stops.
fn leaves(refusal: &DatabaseError) -> bool {
    matches!(refusal.kind, DatabaseErrorKind::Refused | DatabaseErrorKind::Unavailable)
}

/// What an error message says.
pub(super) fn refusal(mut fields: ErrorFields<'_>) -> DatabaseError {
    let (mut code, mut message) = (String::new(), String::new());
    while let Ok(Some(field)) = fields.next() {
        let text = || String::from_utf8_lossy(field.value_bytes()).into_owned();
        match field.type_() {
            b'C' => code = text(),
            b'M' => message = text(),
            _ => {}
        }
    }
    DatabaseError::told(&code, message)
}

async fn dial(target: &Target) -> Result<Box<dyn Io>, DatabaseError> {
    if target.config.get_channel_binding() == WantedBinding::Require {
        return Err(address("channel_binding=require is not possible for reading the log"));
    }
    let mut last = address("it names no host");
    for place in places(&target.config, &target.outbound).await? {
        match dial_one(target, place).await {
            Ok(io) => return Ok(io),
            Err(error) => last = error,
        }
    }
    Err(last)
}

async fn dial_one(target: &Target, place: Place) -> Result<Box<dyn Io>, DatabaseError> {
    let (name, socket) = match place {
        Place::Server { name, address, port } => (name, TcpStream::connect((address, port)).await),
        Place::Socket { folder, port } => {
            let path = folder.join(format!(".s.PGSQL.{port}"));
            return Ok(Box::new(Socket::Awake(UnixStream::connect(path).await.map_err(cut)?)));
        }
    };
    let mut socket = socket.map_err(cut)?;
    socket.set_nodelay(true).map_err(cut)?;
    let Some(tls) = &target.tls else { return Ok(Box::new(Socket::Awake(socket))) };
    let mut request = BytesMut::new();
    frontend::ssl_request(&mut request);
    socket.write_all(&request).await.map_err(cut)?;
    if socket.read_u8().await.map_err(cut)? != b'S' {
        return Err(address("the server does not encrypt, and the address asks for it"));
    }
    let server = ServerName::try_from(name).map_err(|_| address("the host is no valid name"))?;
    let stream = TlsConnector::from(Arc::clone(tls)).connect(server, Socket::Awake(socket)).await.map_err(cut)?;
    Ok(Box::new(stream))
}
