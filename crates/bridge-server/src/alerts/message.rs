//! What an alert says.

use crate::context::Context;
use crate::language::{Language, Message, Texts};
use bridge_model::Timestamp;
use bridge_store::{Alert, AlertKind, Tenant};
use serde_json::{Value, json};

/// What is said of an alert, before it has the form that a target takes.
#[derive(Debug)]
pub(super) struct Outgoing {
    /// By which a receiver knows a message that comes twice.
    pub(super) id: String,
    /// When it is sent.
    pub(super) at: Timestamp,
    /// One line.
    pub(super) subject: String,
    /// The same with more, for people.
    pub(super) text: String,
    /// The same for programs.
    pub(super) json: Value,
}

/// What stands for a system that is not known.
const NO_SYSTEM: &str = "-";

/// That something is so, in one sentence.
pub(super) fn title(alert: &Alert) -> Message {
    let system = alert.system_id.as_ref().map_or(NO_SYSTEM, |id| id.as_str());
    let fact = |name: &str| alert.facts[name].as_str().unwrap_or(NO_SYSTEM).to_owned();
    match alert.kind {
        AlertKind::CircuitOpen => Message::alert_circuit_open(system),
        AlertKind::DeadLetters => Message::alert_dead_letters(system),
        AlertKind::SourceRefused => Message::alert_source_refused(system, fact("strategy"), fact("code")),
        AlertKind::Takeover => Message::alert_takeover(system),
        AlertKind::WalLost => Message::alert_wal_lost(system),
        AlertKind::WalRetained => Message::alert_wal_retained(system),
        AlertKind::CredentialEnding => Message::alert_credential_ending(system),
        AlertKind::TaskFailed => Message::alert_task_failed(system),
        AlertKind::JobFailed => Message::alert_job_failed(fact("job")),
    }
}

/// What to do about it.
pub(super) fn advice(kind: AlertKind) -> Message {
    match kind {
        AlertKind::CircuitOpen => Message::alert_circuit_open_advice(),
        AlertKind::DeadLetters => Message::alert_dead_letters_advice(),
        AlertKind::SourceRefused => Message::alert_source_refused_advice(),
        AlertKind::Takeover => Message::alert_takeover_advice(),
        AlertKind::WalLost => Message::alert_wal_lost_advice(),
        AlertKind::WalRetained => Message::alert_wal_retained_advice(),
        AlertKind::CredentialEnding => Message::alert_credential_ending_advice(),
        AlertKind::TaskFailed => Message::alert_task_failed_advice(),
        AlertKind::JobFailed => Message::alert_job_failed_advice(),
    }
}

impl Outgoing {
    /// An alert as it is now, in the language of those who are told.
    pub(super) fn of(cx: &Context, alert: &Alert, tenant: Option<&Tenant>, language: Language) -> Self {
        let say = |message: &Message| cx.texts.say(language, message);
        let is_over = alert.resolved_at.is_some();
        let (title, advice) = (say(&title(alert)), say(&advice(alert.kind)));
        let subject = if is_over { say(&Message::alert_over(&title)) } else { title.clone() };
        let mut lines = vec![say(&Message::alert_kind(alert.kind.as_str()))];
        lines.extend(tenant.map(|tenant| say(&Message::alert_tenant(format!("{} ({})", tenant.name, tenant.id)))));
        lines.extend(alert.system_id.as_ref().map(|system| say(&Message::alert_system(system))));
        lines.push(say(&Message::alert_since(alert.raised_at)));
        lines.extend(alert.resolved_at.map(|at| say(&Message::alert_until(at))));
        lines.push(say(&Message::alert_times(alert.times)));
        let mut text = format!("{subject}.\n\n");
        if !is_over {
            text.push_str(&advice);
            text.push_str("\n\n");
        }
        text.push_str(&lines.join("\n"));
        text.push('\n');
        let now = cx.clock.now();
        let json = json!({
            "type": if is_over { "alert.resolved" } else { "alert.open" },
            "timestamp": now,
            "data": {
                "id": alert.id.0,
                "kind": alert.kind.as_str(),
                "state": if is_over { "resolved" } else { "open" },
                "tenant_id": alert.tenant,
                "tenant_name": tenant.map(|tenant| &tenant.name),
                "system_id": alert.system_id,
                "times": alert.times,
                "raised_at": alert.raised_at,
                "last_seen_at": alert.seen_at,
                "resolved_at": alert.resolved_at,
                "title": title,
                "advice": advice,
                "language": language.code(),
                "details": alert.facts,
            },
        });
        Self { id: format!("alert_{}_{}", alert.id.0, alert.told), at: now, subject, text, json }
    }

    /// What is sent to try a target out. `name` makes it unlike any other.
    pub(super) fn of_test(texts: &Texts, now: Timestamp, name: &str, language: Language) -> Self {
        let (title, advice) =
            (texts.say(language, &Message::alert_test()), texts.say(language, &Message::alert_test_advice()));
        let json = json!({
            "type": "alert.test",
            "timestamp": now,
            "data": { "title": title, "advice": advice, "language": language.code() },
        });
        let text = format!("{title}.\n\n{advice}\n");
        Self { id: format!("alert_test_{name}"), at: now, subject: title, text, json }
    }
}
