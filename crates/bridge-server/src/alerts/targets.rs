//! Who is told of which alerts.

use super::email::Email;
use super::message::Outgoing;
use super::webhook::Webhook;
use crate::config;
use crate::language::Language;
use anyhow::Context as _;
use bridge_model::{TenantId, Timestamp};
use bridge_store::{Alert, AlertKind};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// All who are told.
#[derive(Debug)]
pub(super) struct Targets(Vec<Target>);

/// Somebody who is told.
#[derive(Debug)]
pub(super) struct Target {
    /// What they are called in the log and the metrics.
    pub(super) name: String,
    /// The language that they are told in.
    pub(super) language: Language,
    tenants: Vec<TenantId>,
    kinds: Vec<AlertKind>,
    way: Way,
    failing: Mutex<Failing>,
}

#[derive(Debug)]
enum Way {
    Webhook(Webhook),
    Email(Box<Email>),
}

/// How it goes with a target on this node.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Failing {
    /// How many messages in a row have failed.
    pub(super) failures: u32,
    /// Before this time it is left alone.
    pub(super) rests_until: Option<Timestamp>,
}

/// Why a message could not be sent. It never holds the address, which may hold a secret.
#[derive(Debug, thiserror::Error)]
pub(super) enum SendError {
    /// It took too long.
    #[error("it did not answer in time")]
    Late,
    /// The exchange failed.
    #[error("it can't be reached")]
    Http(#[source] reqwest::Error),
    /// It does not want the message.
    #[error("it answered with the status {0}")]
    Status(u16),
    /// The mail server did not take the message.
    #[error("the mail server did not take it")]
    Smtp(#[source] lettre::transport::smtp::Error),
    /// The message can't be put into this form.
    #[error("the message can't be written")]
    Unwritable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Targets {
    /// Connects to nobody yet; the error is a setting that can't be right.
    pub(super) fn new(config: &config::Alerts) -> anyhow::Result<Self> {
        let mut all = Vec::new();
        for to in &config.webhooks {
            let way = Webhook::new(to).with_context(|| format!("prepare the webhook {}", to.name))?;
            all.push(Target::new(&to.name, &to.language, &to.tenants, &to.kinds, Way::Webhook(way)));
        }
        for to in &config.emails {
            let way = Email::new(to, config).with_context(|| format!("prepare e-mails to {}", to.name))?;
            all.push(Target::new(&to.name, &to.language, &to.tenants, &to.kinds, Way::Email(Box::new(way))));
        }
        Ok(Self(all))
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &Target> {
        self.0.iter()
    }

    /// Those who are told of an alert.
    pub(super) fn of(&self, alert: &Alert) -> impl Iterator<Item = &Target> {
        self.0.iter().filter(|target| target.gets(alert))
    }

    pub(super) fn named(&self, name: &str) -> Option<&Target> {
        self.0.iter().find(|target| target.name == name)
    }
}

impl Target {
    fn new(name: &str, language: &str, tenants: &[i64], kinds: &[String], way: Way) -> Self {
        Self {
            name: name.to_owned(),
            language: Language::of_tag(language).unwrap_or_default(),
            tenants: tenants.iter().copied().map(TenantId).collect(),
            kinds: kinds.iter().filter_map(|kind| AlertKind::from_word(kind)).collect(),
            way,
            failing: Mutex::default(),
        }
    }

    /// Whether an alert is meant for this one. Who is there for some tenants gets nothing that is of no tenant.
    pub(super) fn gets(&self, alert: &Alert) -> bool {
        let of_tenant = alert.tenant.is_some_and(|tenant| self.tenants.contains(&tenant));
        (self.tenants.is_empty() || of_tenant) && (self.kinds.is_empty() || self.kinds.contains(&alert.kind))
    }

    /// Sends a message; whoever calls bounds the time.
    pub(super) async fn send(&self, message: &Outgoing) -> Result<(), SendError> {
        match &self.way {
            Way::Webhook(webhook) => webhook.send(message).await,
            Way::Email(email) => email.send(message).await,
        }
    }

    /// How it goes with this one.
    pub(super) fn failing(&self) -> MutexGuard<'_, Failing> {
        self.failing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
