//! A system over its API: whether it answers, as what, to whom, and what its add-on does.

use super::code::{Check, Code};
use super::finding::{Finding, Findings};
use super::{Examination, skew};
use crate::cli::words;
use bridge_erp::{Adapter, Connection, ErpError, ErpErrorKind, FeedInfo, FeedKind, SearchRead};
use bridge_model::{ModelClass, ModelName, Strategy, Timestamp};
use bridge_store::{System, TrackedModel};
use serde_json::{Map, json};
use std::sync::Arc;
use std::time::Duration;

/// The versions that the adapter is made for.
const VERSIONS: std::ops::RangeInclusive<u32> = 13..=19;

/// The version of the add-on that comes with this program.
const ADDON_VERSION: &str = "1.0.0";

/// Looks at the system. The error is what kept the rest from being looked at.
pub(super) async fn examine(
    cx: &Examination,
    system: &System,
    connection: &Connection,
    findings: &mut Findings,
) -> Result<(), String> {
    let patient = Patient { cx, system, connection };
    let adapter = bridge_erp::connect(&system.system_type, connection, &cx.options, Arc::clone(&cx.clock));
    let adapter = match adapter {
        Ok(adapter) => adapter,
        Err(error) => {
            findings.add(patient.finding(Check::Reach, Code::ErpFailed, &error));
            return Err("its address can't be used".to_owned());
        }
    };
    patient.reach(&adapter, findings).await?;
    patient.clock(&adapter, findings).await;
    let user = patient.credential(&adapter, findings).await?;
    let models = cx.store.tracked_models(system.tenant, system.key).await;
    let models = models.map_err(|error| super::service::causes(&error))?;
    patient.rights(&adapter, user, &models, findings).await;
    patient.addon(&adapter, &models, findings).await;
    Ok(())
}

/// What every check of a system over its API works with.
struct Patient<'a> {
    cx: &'a Examination,
    system: &'a System,
    connection: &'a Connection,
}

type Erp = Arc<dyn Adapter>;

impl Patient<'_> {
    /// A finding about an error of a call.
    fn finding(&self, check: Check, code: Code, error: &ErpError) -> Finding {
        self.plain(check, code, error.to_string())
    }

    fn plain(&self, check: Check, code: Code, seen: String) -> Finding {
        Finding::new(check, code, seen)
            .with("system", self.system.system_id.as_str())
            .with("url", self.connection.url.as_str())
            .with("username", self.connection.username.as_str())
            .with("database", self.connection.database.as_str())
    }

    async fn reach(&self, adapter: &Erp, findings: &mut Findings) -> Result<(), String> {
        let asked_at = self.cx.clock.now();
        let server = match adapter.server_info().await {
            Ok(server) => server,
            Err(error) => {
                let code = code_of(&error);
                findings.add(self.finding(Check::Reach, code, &error));
                return Err("the system can't be reached".to_owned());
            }
        };
        let took = words::duration(self.cx.clock.now().since(asked_at));
        let seen =
            format!("Odoo {} at {} by {}, answered in {took}", server.version, self.connection.url, server.protocol);
        if VERSIONS.contains(&server.major) {
            findings.fine(Check::Reach, seen);
        } else {
            findings.add(self.plain(Check::Reach, Code::ErpVersion, seen));
        }
        Ok(())
    }

    async fn clock(&self, adapter: &Erp, findings: &mut Findings) {
        let before = self.cx.clock.now();
        let told = adapter.clock().await;
        let asked = (before, self.cx.clock.now());
        match told {
            Ok(Some(theirs)) => match skew::judge_whole_seconds(Check::ErpClock, "the system", theirs, asked) {
                Some(finding) => findings.add(finding),
                None => findings.fine(Check::ErpClock, "as this machine's, to a few seconds"),
            },
            Ok(None) => findings.unchecked(Check::ErpClock, "its answers bear no date"),
            Err(error) => findings.unchecked(Check::ErpClock, &error.to_string()),
        }
    }

    /// Logs in, and answers as whom.
    async fn credential(&self, adapter: &Erp, findings: &mut Findings) -> Result<i64, String> {
        let user = match adapter.authenticate().await {
            Ok(identity) => identity.erp_user_id,
            Err(error) => {
                let code = match error.kind {
                    ErpErrorKind::Authentication | ErpErrorKind::AccessDenied | ErpErrorKind::SessionExpired => {
                        Code::CredentialRefused
                    }
                    ErpErrorKind::UnknownDatabase => Code::ErpDatabaseUnknown,
                    _ => code_of(&error),
                };
                let seen = format!("as {}: {error}", self.connection.username);
                findings.add(self.plain(Check::Credential, code, seen));
                return Err("the credential does not work".to_owned());
            }
        };
        let whose = format!("{} is user {user} there", self.connection.username);
        if self.connection.api_key.as_deref().is_none_or(str::is_empty) {
            findings.fine(Check::Credential, format!("{whose}, by password"));
            return Ok(user);
        }
        match adapter.credential_expiry().await {
            Ok(Some(end)) => findings.add(self.key(&whose, end).await),
            Ok(None) => findings.fine(Check::Credential, format!("{whose}, by an API key of which no end is known")),
            Err(error) => {
                findings.unchecked(Check::Credential, &format!("when the API key ends can't be asked: {error}"));
            }
        }
        Ok(user)
    }

    /// Judges when the API key ends.
    async fn key(&self, whose: &str, end: Timestamp) -> Finding {
        let (cx, system) = (self.cx, self.system);
        let now = cx.clock.now();
        let left = words::duration(end.since(now));
        let seen = format!("{whose}, by an API key that ends in {left}, at {}", end.whole_seconds());
        let near = now.plus(crate::config::days(cx.config.erp.key_renewal_days));
        let known = cx.store.credential(system.tenant, system.key).await.ok().flatten();
        let problem = known.and_then(|known| known.problem);
        let is_stuck = self.connection.password.is_empty() || problem.is_some();
        if end > near || !is_stuck {
            return Finding::new(Check::Credential, Code::Fine, seen);
        }
        let why = problem.unwrap_or_else(|| "there is no password to renew it with".to_owned());
        self.plain(Check::Credential, Code::CredentialEnds, format!("{seen}: {why}"))
    }

    /// Whether the user may read what the service has to read.
    async fn rights(&self, adapter: &Erp, user: i64, models: &[TrackedModel], findings: &mut Findings) {
        let found = match adapter.models().await {
            Ok(found) => found.len(),
            Err(error) if error.kind == ErpErrorKind::AccessDenied => {
                let seen = format!("{} may not read the list of models: {error}", self.connection.username);
                findings.add(self.plain(Check::Rights, Code::RightsMissing, seen));
                return;
            }
            Err(error) => return findings.unchecked(Check::Rights, &error.to_string()),
        };
        let polled: Vec<ModelName> = models
            .iter()
            .filter(|model| model.owner == Some(Strategy::Poll))
            .map(|model| model.found.model.clone())
            .collect();
        let readable = match adapter.readable_models(user, &polled).await {
            Ok(readable) => readable,
            Err(error) => {
                let reason = format!("which of its {found} models the user may read can't be asked: {error}");
                return findings.unchecked(Check::Rights, &reason);
            }
        };
        let unreadable: Vec<_> = polled.iter().filter(|model| !readable.contains(model)).collect();
        if unreadable.is_empty() {
            let of_polled = if polled.is_empty() {
                String::new()
            } else {
                format!(" and reads all {} that are polled", polled.len())
            };
            findings.fine(Check::Rights, format!("sees {found} models{of_polled}"));
        } else {
            let seen = format!(
                "{} may not read {} of {}: {}",
                self.connection.username,
                unreadable.len(),
                words::count(polled.len(), "polled model", "polled models"),
                words::list(&unreadable)
            );
            let names: Vec<&str> = unreadable.iter().map(|model| model.as_str()).collect();
            findings.add(self.plain(Check::Rights, Code::ModelsUnreadable, seen).with("models", names));
        }
    }

    async fn addon(&self, adapter: &Erp, models: &[TrackedModel], findings: &mut Findings) {
        let feed = match adapter.feed_info().await {
            Ok(Some(feed)) => feed,
            Ok(None) if self.cx.config.detection.enabled => {
                return findings.fine(Check::Addon, "none keeps an event table; other strategies see the changes");
            }
            Ok(None) => {
                let seen = "none keeps an event table".to_owned();
                return findings.add(self.plain(Check::Addon, Code::AddonMissing, seen));
            }
            Err(error) if matches!(code_of(&error), Code::ErpUnreachable) => {
                return findings.unchecked(Check::Addon, &error.to_string());
            }
            Err(error) => return findings.add(self.finding(Check::Addon, Code::AddonRefused, &error)),
        };
        let name = match &feed.kind {
            FeedKind::Bridgecore { version } => format!("bridgecore {version}"),
            FeedKind::AutoWebhook => "auto_webhook, which joins quick writes and may leave deletions out".to_owned(),
        };
        let covers = feed
            .covers
            .as_ref()
            .map_or(String::new(), |covers| format!(", tells of {}", words::count(covers.len(), "model", "models")));
        let mut complaints = Vec::new();
        if let FeedKind::Bridgecore { version } = &feed.kind
            && is_older(version, ADDON_VERSION)
        {
            let seen = format!("{name}{covers}; this program comes with {ADDON_VERSION}");
            complaints.push(self.plain(Check::Addon, Code::AddonOld, seen));
        }
        complaints.extend(self.backlog(&feed).await);
        let newest = newest_event(adapter, &feed).await;
        complaints.extend(self.silence(adapter, &feed, newest, models).await);
        if complaints.is_empty() {
            let last = newest.map_or(String::new(), |at| {
                format!(", the last event {} ago", words::duration(self.cx.clock.now().since(at)))
            });
            findings.fine(Check::Addon, format!("{name}{covers}{last}"));
        }
        for complaint in complaints {
            findings.add(complaint);
        }
    }

    /// Whether many events wait.
    async fn backlog(&self, feed: &FeedInfo) -> Option<Finding> {
        let source = self.cx.store.source(self.system.tenant, self.system.key).await.ok()?;
        let waiting = feed.newest_id.saturating_sub(source.read_to);
        (waiting > BACKLOG_MAX).then(|| {
            let seen =
                format!("{waiting} events wait: the newest is {}, and {} was read", feed.newest_id, source.read_to);
            self.plain(Check::Addon, Code::AddonBacklog, seen).with("events", waiting)
        })
    }

    /// A model that the add-on covers and that was written later than anything that it told of.
    async fn silence(
        &self,
        adapter: &Erp,
        feed: &FeedInfo,
        newest: Option<Timestamp>,
        models: &[TrackedModel],
    ) -> Option<Finding> {
        let newest = newest?;
        let is_asked = |model: &&TrackedModel| {
            model.owner == Some(Strategy::Addon)
                && model.found.class == ModelClass::Critical
                && model.found.has_write_date
                && feed.covers.as_ref().is_none_or(|covers| covers.contains(&model.found.model))
        };
        for model in models.iter().filter(is_asked).take(SILENCE_MODELS_MAX) {
            let Some(written) = last_write(adapter, &model.found.model).await else { continue };
            let silent = written.since(newest);
            if silent > SILENCE_MAX {
                let model = &model.found.model;
                let seen = format!(
                    "a record of {model} was written {} after the newest event ({})",
                    words::duration(silent),
                    newest.whole_seconds()
                );
                return Some(self.plain(Check::Addon, Code::AddonSilent, seen).with("model", model.as_str()));
            }
        }
        None
    }
}

/// Events that may wait without anything being wrong.
const BACKLOG_MAX: i64 = 1_000;

/// How much later than the newest event a record may have been written: some transactions are long.
const SILENCE_MAX: Duration = Duration::from_mins(10);

/// The most models that are asked for their last write.
const SILENCE_MODELS_MAX: usize = 5;

/// When the newest event happened, if it can be seen: old ones are cleaned away.
async fn newest_event(adapter: &Erp, feed: &FeedInfo) -> Option<Timestamp> {
    let events = adapter.feed_after(feed.newest_id.saturating_sub(1), 1).await.ok()?;
    events.first()?.event.as_ref().ok().map(|event| event.occurred_at)
}

async fn last_write(adapter: &Erp, model: &ModelName) -> Option<Timestamp> {
    let query = SearchRead {
        model: model.clone(),
        domain: json!([]),
        fields: vec!["write_date".to_owned()],
        offset: 0,
        limit: 1,
        order: "write_date desc".to_owned(),
        context: Map::from_iter([("active_test".to_owned(), json!(false))]),
    };
    let rows = adapter.search_read(&query).await.ok()?;
    Timestamp::parse_any(rows.first()?.get("write_date")?.as_str()?).ok()
}

/// The code of an error that says nothing of what was asked for.
fn code_of(error: &ErpError) -> Code {
    match error.kind {
        ErpErrorKind::Unreachable | ErpErrorKind::Timeout | ErpErrorKind::Unavailable => Code::ErpUnreachable,
        ErpErrorKind::AddressRefused => Code::AddressRefused,
        _ => Code::ErpFailed,
    }
}

/// Whether a version of the add-on is older than another. Odoo puts its own series before it: `19.0.1.0.0`.
fn is_older(version: &str, than: &str) -> bool {
    let parts = |version: &str| -> Vec<u32> {
        let parts: Vec<u32> = version.split('.').map(|part| part.parse().unwrap_or(0)).collect();
        parts[parts.len().saturating_sub(3)..].to_vec()
    };
    parts(version) < parts(than)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_add_on_of_this_program_is_the_one_beside_it() {
        let manifest = include_str!("../../../../../odoo/addons/bridgecore/__manifest__.py");
        assert!(manifest.contains(&format!("'version': '{ADDON_VERSION}'")), "ADDON_VERSION is not the manifest's");
    }

    #[test]
    fn versions_are_compared_without_the_series_of_odoo() {
        assert!(is_older("19.0.0.9.9", "1.0.0") && is_older("17.0.1.0.0", "1.0.1") && is_older("", "1.0.0"));
        assert!(!is_older("19.0.1.0.0", "1.0.0") && !is_older("1.0.0", "1.0.0") && !is_older("19.0.1.2.0", "1.1.9"));
    }
}
