//! Who is told when something needs a person.

use crate::language::Language;
use anyhow::{Context as _, ensure};
use bridge_store::AlertKind;
use lettre::message::Mailbox;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use url::Url;

/// Who is told when something needs a person.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Alerts {
    /// Addresses that each alert is posted to, as `{ name = "chat", url = "https://…", secret = "whsec_…" }`, and if wanted
    /// `language`, `tenants` and `kinds`.
    pub webhooks: Vec<WebhookTarget>,
    /// People who get each alert by e-mail, as `{ name = "staff", to = ["ops@example.com"] }`, and if wanted `language`,
    /// `tenants` and `kinds`.
    pub emails: Vec<EmailTarget>,
    /// How often it is looked for something to tell, in milliseconds.
    pub look_interval_ms: u64,
    /// How long something must be well again before it is told to be over, in milliseconds; at least twice the longest pause
    /// of the readers (`ingest.pull_backoff_max_ms`, `wal.backoff_max_ms`) is waited in any case.
    pub settle_ms: u64,
    /// How long it takes until the same is told again while it goes on, with how often it has happened meanwhile, in
    /// milliseconds.
    pub repeat_ms: u64,
    /// The most messages that wait to be sent; alerts beyond wait for room, and lose nothing.
    pub queue_max: u64,
    /// How long a target may take for one message, in milliseconds.
    pub send_timeout_ms: u64,
    /// The pause after a target's first failure, in milliseconds; doubled with each further one.
    pub retry_min_ms: u64,
    /// The longest such pause, in milliseconds.
    pub retry_max_ms: u64,
    /// For how long a message is tried before it is given up, in hours.
    pub give_up_hours: u64,
    /// The server that e-mails are handed to.
    pub smtp: Smtp,
}

impl Default for Alerts {
    fn default() -> Self {
        Self {
            webhooks: Vec::new(),
            emails: Vec::new(),
            look_interval_ms: 1_000,
            settle_ms: 180_000,
            repeat_ms: 4 * 3_600_000,
            queue_max: 1_000,
            send_timeout_ms: 10_000,
            retry_min_ms: 5_000,
            retry_max_ms: 600_000,
            give_up_hours: 24,
            smtp: Smtp::default(),
        }
    }
}

/// An address that alerts are posted to.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct WebhookTarget {
    /// What it is called in the log and the metrics.
    pub name: String,
    /// The address; it may hold a secret, and is shown nowhere.
    pub url: String,
    /// The secret by which messages are signed (`whsec_` and base64). Empty: they are not signed.
    pub secret: String,
    /// The language of what people read in it: `en`, `ar` or `fr`.
    pub language: String,
    /// Only the alerts of these tenants, by their numbers. Empty: of all, and those of the service itself.
    pub tenants: Vec<i64>,
    /// Only these kinds of alert. Empty: all.
    pub kinds: Vec<String>,
}

impl Default for WebhookTarget {
    fn default() -> Self {
        Self {
            name: String::new(),
            url: String::new(),
            secret: String::new(),
            language: Language::default().code().to_owned(),
            tenants: Vec::new(),
            kinds: Vec::new(),
        }
    }
}

impl std::fmt::Debug for WebhookTarget {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("WebhookTarget").field("name", &self.name).finish_non_exhaustive()
    }
}

/// People who get alerts by e-mail.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct EmailTarget {
    /// What they are called in the log and the metrics.
    pub name: String,
    /// Their addresses.
    pub to: Vec<String>,
    /// Their language: `en`, `ar` or `fr`.
    pub language: String,
    /// Only the alerts of these tenants, by their numbers. Empty: of all, and those of the service itself.
    pub tenants: Vec<i64>,
    /// Only these kinds of alert. Empty: all.
    pub kinds: Vec<String>,
}

impl Default for EmailTarget {
    fn default() -> Self {
        Self {
            name: String::new(),
            to: Vec::new(),
            language: Language::default().code().to_owned(),
            tenants: Vec::new(),
            kinds: Vec::new(),
        }
    }
}

/// The server that e-mails are handed to.
#[derive(Clone, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(deny_unknown_fields, default)]
pub struct Smtp {
    /// Its name. Empty: there is none.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// `starttls`: encrypted after the greeting; `tls`: from the first byte; `none`: not at all, for a server on this
    /// machine.
    pub tls: SmtpTls,
    /// The name to log in with. Empty: without a log-in.
    pub username: String,
    /// The password.
    pub password: String,
    /// Whom the e-mails come from, `BridgeCore <bridgecore@example.com>`.
    pub from: String,
}

impl Default for Smtp {
    fn default() -> Self {
        Self {
            host: String::new(),
            port: 587,
            tls: SmtpTls::StartTls,
            username: String::new(),
            password: String::new(),
            from: String::new(),
        }
    }
}

impl std::fmt::Debug for Smtp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Smtp").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

/// How a connection to a mail server is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "lowercase")]
pub enum SmtpTls {
    /// After the greeting, or else nothing is sent.
    StartTls,
    /// From the first byte.
    Tls,
    /// Not at all.
    None,
}

/// The error names the setting, and never the secret in it.
pub(super) fn check(alerts: &Alerts) -> anyhow::Result<()> {
    let webhooks = alerts.webhooks.iter().map(|to| ("webhooks", &to.name, &to.language, &to.kinds));
    let emails = alerts.emails.iter().map(|to| ("emails", &to.name, &to.language, &to.kinds));
    let mut names = BTreeSet::new();
    for (list, name, language, kinds) in webhooks.chain(emails) {
        let is_plain = name.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c));
        ensure!(
            (1..=64).contains(&name.len()) && is_plain && names.insert(name),
            "alerts.{list}: each needs a name of its own, of letters, digits and -_. and at most 64 of them; not {name:?}"
        );
        ensure!(Language::of_tag(language).is_some(), "alerts.{list}: {name} has the language {language:?}");
        if let Some(kind) = kinds.iter().find(|kind| AlertKind::from_word(kind).is_none()) {
            let known = AlertKind::ALL.map(AlertKind::as_str).join(", ");
            anyhow::bail!("alerts.{list}: {name} names the kind {kind:?}; there are {known}");
        }
    }
    for WebhookTarget { name, url, secret, .. } in &alerts.webhooks {
        let url = Url::parse(url).with_context(|| format!("alerts.webhooks: read the url of {name}"))?;
        ensure!(
            matches!(url.scheme(), "http" | "https") && url.has_host(),
            "alerts.webhooks: the url of {name} must begin with http:// or https://"
        );
        ensure!(
            secret.is_empty() || signing_key(secret).is_some(),
            "alerts.webhooks: the secret of {name} must be whsec_ and base64 of 24 to 64 bytes"
        );
    }
    for EmailTarget { name, to, .. } in &alerts.emails {
        ensure!(!to.is_empty(), "alerts.emails: {name} needs an address in `to`");
        for address in to {
            address.parse::<Mailbox>().with_context(|| format!("alerts.emails: read {address:?} of {name}"))?;
        }
    }
    if !alerts.emails.is_empty() {
        ensure!(
            !alerts.smtp.host.is_empty(),
            "alerts.smtp.host must name a mail server, since there are alerts.emails"
        );
        alerts.smtp.from.parse::<Mailbox>().context("alerts.smtp.from must be an address")?;
    }
    ensure!(alerts.queue_max >= 1, "alerts.queue_max must be at least 1");
    ensure!((1..=24 * 365).contains(&alerts.give_up_hours), "alerts.give_up_hours must be between 1 and 8760");
    ensure!(alerts.retry_min_ms <= alerts.retry_max_ms, "alerts.retry_min_ms must be at most alerts.retry_max_ms");
    Ok(())
}

/// The bytes that messages are signed by; `None` if the secret is none of Standard Webhooks.
pub(crate) fn signing_key(secret: &str) -> Option<Vec<u8>> {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    let key = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    (24..=64).contains(&key.len()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "whsec_aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2g=";

    fn chat() -> WebhookTarget {
        let (name, url) = ("chat".to_owned(), "https://chat.example.com/hush".to_owned());
        WebhookTarget { name, url, secret: SECRET.to_owned(), ..WebhookTarget::default() }
    }

    fn staff() -> EmailTarget {
        EmailTarget { name: "staff".into(), to: vec!["Ops <ops@example.com>".into()], ..EmailTarget::default() }
    }

    fn good() -> Alerts {
        let smtp = Smtp { host: "mail".into(), from: "b@example.com".into(), ..Smtp::default() };
        Alerts { webhooks: vec![chat()], emails: vec![staff()], smtp, ..Alerts::default() }
    }

    #[test]
    fn what_can_not_work_is_refused_by_name_and_without_secrets() {
        check(&Alerts::default()).unwrap();
        check(&good()).unwrap();
        let with = |change: fn(&mut Alerts)| {
            let mut alerts = good();
            change(&mut alerts);
            check(&alerts).unwrap_err().to_string()
        };
        for (part, error) in [
            ("name", with(|alerts| alerts.webhooks[0].name.clear())),
            ("name", with(|alerts| alerts.emails[0].name = "chat".into())),
            ("url of chat", with(|alerts| alerts.webhooks[0].url = "hush".into())),
            ("http://", with(|alerts| alerts.webhooks[0].url = "ftp://hush".into())),
            ("secret of chat", with(|alerts| alerts.webhooks[0].secret = "hush".into())),
            ("language", with(|alerts| alerts.webhooks[0].language = "tlh".into())),
            ("there are circuit_open", with(|alerts| alerts.emails[0].kinds = vec!["nothing".into()])),
            ("staff needs an address", with(|alerts| alerts.emails[0].to.clear())),
            ("read \"ops\" of staff", with(|alerts| alerts.emails[0].to = vec!["ops".into()])),
            ("alerts.smtp.host", with(|alerts| alerts.smtp.host.clear())),
            ("alerts.smtp.from", with(|alerts| alerts.smtp.from.clear())),
            ("alerts.queue_max", with(|alerts| alerts.queue_max = 0)),
            ("alerts.give_up_hours", with(|alerts| alerts.give_up_hours = 0)),
            ("alerts.retry_min_ms", with(|alerts| alerts.retry_max_ms = 1)),
        ] {
            assert!(error.contains(part) && !error.contains("hush"), "{part}: {error}");
        }
    }

    #[test]
    fn secrets_are_not_printed() {
        let mut alerts = good();
        alerts.smtp.password = "hush".into();
        let printed = format!("{alerts:?}");
        assert!(!printed.contains("hush") && !printed.contains("whsec_"), "{printed}");
    }
}
