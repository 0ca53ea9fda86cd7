//! Alerts by e-mail.

use super::message::Outgoing;
use super::targets::SendError;
use crate::config::{self, EmailTarget, SmtpTls, ms};
use anyhow::Context as _;
use lettre::message::header::{ContentType, HeaderName, HeaderValue};
use lettre::message::{Mailbox, Message};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use std::fmt;
use std::time::{Duration, SystemTime};

/// People who get alerts by e-mail.
pub(super) struct Email {
    smtp: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    to: Vec<Mailbox>,
}

impl fmt::Debug for Email {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Email").finish_non_exhaustive()
    }
}

impl Email {
    /// Connects to nobody yet; the error is a setting that can't be right.
    pub(super) fn new(target: &EmailTarget, alerts: &config::Alerts) -> anyhow::Result<Self> {
        let config = &alerts.smtp;
        let parameters = || TlsParameters::new(config.host.clone()).context("read the machine's certificates");
        let tls = match config.tls {
            SmtpTls::StartTls => Tls::Required(parameters()?),
            SmtpTls::Tls => Tls::Wrapper(parameters()?),
            SmtpTls::None => Tls::None,
        };
        let mut smtp = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(&config.host)
            .port(config.port)
            .tls(tls)
            .timeout(Some(ms(alerts.send_timeout_ms)));
        if !config.username.is_empty() {
            smtp = smtp.credentials(Credentials::new(config.username.clone(), config.password.clone()));
        }
        let to = target.to.iter().map(|address| address.parse()).collect::<Result<_, _>>().context("read `to`")?;
        let from = config.from.parse().context("read alerts.smtp.from")?;
        Ok(Self { smtp: smtp.build(), from, to })
    }

    /// Hands a message to the mail server.
    pub(super) async fn send(&self, message: &Outgoing) -> Result<(), SendError> {
        let email = self.write(message).map_err(|error| SendError::Unwritable(error.into()))?;
        self.smtp.send(email).await.map(drop).map_err(SendError::Smtp)
    }

    fn write(&self, message: &Outgoing) -> Result<Message, lettre::error::Error> {
        let seconds = u64::try_from(message.at.as_micros() / 1_000_000).unwrap_or(0);
        let domain = self.from.email.domain();
        let mut email = Message::builder()
            .from(self.from.clone())
            .date(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds))
            // The same each time that it is tried, so that a copy can be known for one.
            .message_id(Some(format!("<{}@{domain}>", message.id)))
            .subject(format!("[BridgeCore] {}", message.subject))
            // Nobody's absence is answered to a machine.
            .raw_header(HeaderValue::new(
                HeaderName::new_from_ascii_str("Auto-Submitted"),
                "auto-generated".to_owned(),
            ));
        for to in &self.to {
            email = email.to(to.clone());
        }
        email.header(ContentType::TEXT_PLAIN).body(message.text.clone())
    }
}
