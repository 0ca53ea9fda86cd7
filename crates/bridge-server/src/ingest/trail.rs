//! What the ERP itself has noted of changes that were seen without it: who made them, and values before and after.
//!
//! It is looked up just before changes are put into the log, all of a batch at once, and it never stands in their way:
//! what can't be had within a bounded time is left out, and after a failure nothing is looked up for a while. Polling
//! looks it up over the ERP's API; this is for those who read the ERP's database.

use crate::config::ms;
use crate::context::Context;
use crate::metrics::Timer;
use crate::problem::Problem;
use bridge_erp::odoo::database::trail::{Asked, Noted, Trail};
use bridge_erp::odoo::database::{Database, DatabaseError, DatabaseOptions};
use bridge_erp::odoo::trail::NotedValue;
use bridge_model::{Event, NewChange, RecordId, Timestamp};
use bridge_store::System;
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

/// How often it is looked again what there is of a trail and what may be read of it.
const REFRESH: Duration = Duration::from_mins(1);

/// A change, and when its transaction began, where that is known.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) change: NewChange,
    pub(super) began_at: Option<Timestamp>,
}

/// The trail in an ERP's database. It has a connection of its own, so that a slow answer holds up nothing else.
#[derive(Debug)]
pub(super) struct DatabaseTrail {
    url: String,
    open: Option<Opened>,
    rests_until: Option<Instant>,
}

#[derive(Debug)]
struct Opened {
    database: Database,
    trail: Trail,
    at: Instant,
}

impl DatabaseTrail {
    /// The trail in the database at this address; it is opened when it is first needed.
    pub(super) fn new(url: &str) -> Self {
        Self { url: url.to_owned(), open: None, rests_until: None }
    }

    /// The changes with what the trail knows of them, within the config's time.
    pub(super) async fn complete(&mut self, cx: &Context, system: &System, mut found: Vec<Found>) -> Vec<NewChange> {
        let settings = &cx.config.detection.trail;
        if settings.enabled && found.iter().any(|found| question(found).is_some()) {
            self.look_up(cx, system, &mut found).await;
        }
        found.into_iter().map(|found| found.change).collect()
    }

    async fn look_up(&mut self, cx: &Context, system: &System, found: &mut [Found]) {
        let settings = &cx.config.detection.trail;
        let count = |outcome: &str| cx.metrics.trail_lookups.with_label_values(&[outcome]).inc();
        if self.rests_until.is_some_and(|until| Instant::now() < until) {
            return count("left_out");
        }
        let timer = Timer::start(&*cx.clock, &cx.metrics.trail_seconds);
        let asking = tokio::time::timeout(ms(settings.timeout_ms), self.ask(cx, found));
        let why = match asking.await {
            Ok(Ok(None)) => return,
            Ok(Ok(Some(noted))) => {
                drop(timer);
                count("answered");
                return tell(cx, found, &noted);
            }
            Ok(Err(error)) => {
                let problem = Problem::from(error);
                format!("{}: {}", cx.texts.english(&problem.message), problem.causes())
            }
            Err(_) => "it took too long".to_owned(),
        };
        count("failed");
        tracing::warn!(
            system.id = %system.system_id,
            why,
            rest_ms = settings.rest_ms,
            "look up what the ERP has noted of changes; they go into the log without it"
        );
        self.open = None;
        self.rests_until = Some(Instant::now() + ms(settings.rest_ms));
    }

    /// What is noted of these changes; `None` if nothing can be noted of any of them.
    async fn ask(&mut self, cx: &Context, found: &[Found]) -> Result<Option<BTreeMap<Asked, Noted>>, DatabaseError> {
        let settings = &cx.config.detection.trail;
        let opened = match self.open.take() {
            Some(opened) if opened.at.elapsed() < REFRESH => opened,
            Some(Opened { database, .. }) if !database.is_closed() => Opened::look(database).await?,
            _ => {
                let options = DatabaseOptions {
                    application_name: "bridgecore trail".to_owned(),
                    connect_timeout_ms: settings.timeout_ms,
                    // The server is not to go on with what nobody waits for.
                    statement_timeout_ms: settings.timeout_ms,
                    outbound: cx.erps.outbound().clone(),
                };
                Opened::look(Database::connect(&self.url, &options).await?).await?
            }
        };
        let mut asked: Vec<Asked> =
            found.iter().filter_map(question).filter(|asked| opened.trail.covers(&asked.model)).collect();
        asked.sort_unstable();
        asked.dedup();
        asked.truncate(settings.changes_max);
        let noted = if asked.is_empty() {
            None
        } else {
            Some(opened.trail.look_up(&opened.database, &asked, settings.values_max).await?)
        };
        self.open = Some(opened);
        Ok(noted)
    }
}

impl Opened {
    async fn look(database: Database) -> Result<Self, DatabaseError> {
        let trail = Trail::open(&database).await?;
        Ok(Self { database, trail, at: Instant::now() })
    }
}

/// What there is to ask about a change.
fn question(found: &Found) -> Option<Asked> {
    let Found { change, began_at: Some(began_at) } = found else { return None };
    let Some(RecordId::Number(record_id)) = change.record_id else { return None };
    Some(Asked { model: change.model.clone(), record_id, began_at: *began_at })
}

/// Tells the changes what is noted of them. Of several that a transaction made of one record, the last one gets the
/// values, which are those of the whole transaction.
fn tell(cx: &Context, found: &mut [Found], noted: &BTreeMap<Asked, Noted>) {
    let mut told = BTreeSet::new();
    for found in found.iter_mut().rev() {
        let Some(asked) = question(found) else { continue };
        let Some(noted) = noted.get(&asked) else { continue };
        let values = if told.insert(asked) { noted.values.as_slice() } else { &[] };
        complete(cx, &mut found.change, noted.user_id, values);
    }
}

/// Gives a change what it does not know yet.
///
/// The names of the fields do not become its `changed_fields`: those are all that have changed, and the ERP notes only
/// some of them.
pub(super) fn complete(cx: &Context, change: &mut NewChange, user_id: Option<i64>, values: &[NotedValue]) {
    change.erp_user_id = change.erp_user_id.or(user_id);
    if values.is_empty() || change.old_data.is_some() || change.new_data.is_some() {
        return;
    }
    let bytes_max = cx.config.detection.trail.bytes_max;
    let side = |is_there: bool, value: fn(&NotedValue) -> &Value| -> Option<Box<RawValue>> {
        let map: Map<String, Value> = values.iter().map(|noted| (noted.field.clone(), value(noted).clone())).collect();
        let text = is_there.then(|| to_raw_value(&map).ok()).flatten();
        super::pipeline::bounded(text, bytes_max)
    };
    let old = side(change.event != Event::Create, |noted| &noted.old);
    let new = side(change.event != Event::Unlink, |noted| &noted.new);
    if old.is_some() || new.is_some() {
        cx.metrics.trail_changes.inc();
    }
    (change.old_data, change.new_data) = (old, new);
}
