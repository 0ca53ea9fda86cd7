//! A mail server as RFC 5321 has it, with the log-in of RFC 4954 and the encryption of RFC 3207 or 8314, on a real socket.
//! Whoever does not keep to it fails.

use crate::support::eventually;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bridge_server::config::{Smtp, SmtpTls};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader, empty};
use tokio::net::TcpListener;
use tokio_rustls::TlsAcceptor;

const USER: &str = "bridgecore";
pub(super) const PASSWORD: &str = "the-mail-password-3832";

/// The longest line of a message, with its end.
const LINE_BYTES_MAX: usize = 1_000;

/// How what is said is kept from others.
#[derive(Clone)]
pub(super) enum Security {
    None,
    /// After the greeting, before anything else.
    StartTls(TlsAcceptor),
    /// From the first byte.
    Tls(TlsAcceptor),
}

/// An e-mail that was taken.
#[derive(Debug, Clone, Default)]
pub(super) struct Mail {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) text: String,
    pub(super) is_encrypted: bool,
}

#[derive(Debug, Default)]
struct Inner {
    refuses: AtomicBool,
    log_ins: AtomicUsize,
    taken: Mutex<Vec<Mail>>,
    wrong: Mutex<Vec<String>>,
}

pub(super) struct MailServer {
    port: u16,
    inner: Arc<Inner>,
}

impl MailServer {
    pub(super) async fn start() -> Self {
        Self::start_with(Security::None).await
    }

    pub(super) async fn start_with(security: Security) -> Self {
        let inner = Arc::<Inner>::default();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let shared = Arc::clone(&inner);
        tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                let (shared, security) = (Arc::clone(&shared), security.clone());
                tokio::spawn(async move {
                    let socket = BufReader::new(Box::new(socket) as Box<dyn Socket>);
                    let mut session = Session { inner: &shared, socket, security, is_encrypted: false };
                    if let Err(wrong) = session.serve().await {
                        shared.wrong.lock().unwrap().push(wrong);
                    }
                });
            }
        });
        Self { port, inner }
    }

    /// What stands in the config.
    pub(super) fn settings(&self) -> Smtp {
        Smtp {
            host: "127.0.0.1".to_owned(),
            port: self.port,
            tls: SmtpTls::None,
            username: USER.to_owned(),
            password: PASSWORD.to_owned(),
            from: "BridgeCore <bridgecore@example.com>".to_owned(),
        }
    }

    /// Whether messages are turned away for now.
    pub(super) fn refuse(&self, refuses: bool) {
        self.inner.refuses.store(refuses, Ordering::SeqCst);
    }

    /// Waits for an e-mail with this in its text.
    pub(super) async fn wait(&self, part: &str) -> Mail {
        let what = format!("an e-mail with {part:?}");
        let look = async || self.taken().into_iter().find(|mail| mail.text.contains(part));
        let found = eventually(&what, super::PATIENCE, look).await;
        assert_eq!(*self.inner.wrong.lock().unwrap(), Vec::<String>::new());
        found
    }

    /// How many log-ins were tried.
    pub(super) fn log_ins(&self) -> usize {
        self.inner.log_ins.load(Ordering::SeqCst)
    }

    pub(super) fn taken(&self) -> Vec<Mail> {
        self.inner.taken.lock().unwrap().clone()
    }
}

trait Socket: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Socket for T {}

struct Session<'a> {
    inner: &'a Inner,
    socket: BufReader<Box<dyn Socket>>,
    security: Security,
    is_encrypted: bool,
}

impl Session<'_> {
    /// The error is what the client did against the rules.
    async fn serve(&mut self) -> Result<(), String> {
        if let Security::Tls(acceptor) = self.security.clone()
            && !self.encrypt(acceptor).await
        {
            return Ok(());
        }
        self.say("220 mail.example.com ESMTP").await;
        let (mut greeted, mut known, mut mail) = (false, false, None::<Mail>);
        while let Some(line) = self.line().await? {
            let upper = line.to_ascii_uppercase();
            if upper.starts_with("EHLO ") {
                (greeted, mail) = (true, None);
                let offered = if self.awaits_tls() { "250-STARTTLS" } else { "250-8BITMIME" };
                self.say(&format!("250-mail.example.com\r\n{offered}\r\n250 AUTH PLAIN")).await;
            } else if upper == "QUIT" {
                self.say("221 Bye").await;
                return Ok(());
            } else if !greeted {
                return Err(format!("before EHLO: {line}"));
            } else if let Security::StartTls(acceptor) = self.security.clone()
                && self.awaits_tls()
            {
                if upper != "STARTTLS" {
                    return Err(format!("before STARTTLS: {line}"));
                }
                self.say("220 Go on").await;
                if !self.encrypt(acceptor).await {
                    return Ok(());
                }
                greeted = false;
            } else if let Some(given) = upper.starts_with("AUTH PLAIN ").then(|| &line["AUTH PLAIN ".len()..]) {
                self.inner.log_ins.fetch_add(1, Ordering::SeqCst);
                known = STANDARD.decode(given).is_ok_and(|given| given == format!("\0{USER}\0{PASSWORD}").as_bytes());
                self.say(if known { "235 Welcome" } else { "535 Wrong name or password" }).await;
            } else if !known {
                return Err(format!("without a log-in: {line}"));
            } else if let Some(from) = upper.starts_with("MAIL FROM:").then(|| path(&line)) {
                if self.inner.refuses.load(Ordering::SeqCst) {
                    self.say("451 Not now").await;
                } else {
                    mail = Some(Mail { from, is_encrypted: self.is_encrypted, ..Mail::default() });
                    self.say("250 OK").await;
                }
            } else if upper.starts_with("RCPT TO:") {
                mail.as_mut().ok_or("RCPT before MAIL")?.to.push(path(&line));
                self.say("250 OK").await;
            } else if upper == "DATA" {
                let mut begun = mail.take().filter(|mail| !mail.to.is_empty()).ok_or("DATA before RCPT")?;
                self.say("354 Go on").await;
                begun.text = self.data().await?;
                self.inner.taken.lock().unwrap().push(begun);
                self.say("250 Taken").await;
            } else {
                self.say("502 No such command").await;
            }
        }
        Ok(())
    }

    fn awaits_tls(&self) -> bool {
        matches!(self.security, Security::StartTls(_)) && !self.is_encrypted
    }

    /// Goes on encrypted; `false` if the client does not want to with this certificate.
    async fn encrypt(&mut self, acceptor: TlsAcceptor) -> bool {
        let plain = std::mem::replace(&mut self.socket, BufReader::new(Box::new(empty())));
        assert!(plain.buffer().is_empty(), "nothing is said before the other side is known");
        let Ok(socket) = acceptor.accept(plain.into_inner()).await else { return false };
        self.socket = BufReader::new(Box::new(socket));
        self.is_encrypted = true;
        true
    }

    /// A message up to the line with a dot alone.
    async fn data(&mut self) -> Result<String, String> {
        let mut text = String::new();
        loop {
            let line = self.line().await?.ok_or("the message has no end")?;
            if line == "." {
                return Ok(text);
            }
            text.push_str(line.strip_prefix('.').unwrap_or(&line));
            text.push_str("\r\n");
        }
    }

    async fn line(&mut self) -> Result<Option<String>, String> {
        let mut bytes = Vec::new();
        // A client that hangs up has said what it wanted.
        if self.socket.read_until(b'\n', &mut bytes).await.unwrap_or(0) == 0 {
            return Ok(None);
        }
        let line = String::from_utf8(bytes).map_err(|_| "a line is no UTF-8")?;
        let line = line.strip_suffix("\r\n").ok_or_else(|| format!("a line does not end with CRLF: {line:?}"))?;
        if line.len() + 2 > LINE_BYTES_MAX || line.contains(['\r', '\n']) {
            return Err(format!("a line is too long or holds a bare CR: {line:?}"));
        }
        Ok(Some(line.to_owned()))
    }

    async fn say(&mut self, reply: &str) {
        // Whoever has hung up does not hear it.
        let _ = self.socket.get_mut().write_all(format!("{reply}\r\n").as_bytes()).await;
        let _ = self.socket.get_mut().flush().await;
    }
}

/// What stands between `<` and `>`.
fn path(line: &str) -> String {
    let (_, rest) = line.split_once('<').unwrap();
    rest.split_once('>').unwrap().0.to_owned()
}
