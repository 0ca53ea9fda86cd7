//! Reading the outbox in an ERP's database in the background.
//!
//! Each look takes the rows that can be seen in the order of their ids, appends what they say together with the place
//! that the reading has come to, and then deletes exactly those rows. A crash in between makes the same rows come
//! again, and the log knows their ids.

mod place;

use super::status::ReaderState;
use super::trail::{DatabaseTrail, Found};
use super::{leader, pipeline};
use crate::alerts;
use crate::backoff::backoff;
use crate::config::ms;
use crate::context::Context;
use crate::detection::{self, ModelOwners};
use crate::erps::parse_connection;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_erp::odoo::database::capture::outbox::{self, Outbox, OutboxRow, Pulse};
use bridge_erp::odoo::database::{Database, DatabaseOptions, TableMap};
use bridge_model::{Epoch, Event, ModelClass, ModelName, NewChange, Origin, Strategy, Timestamp};
use bridge_store::{Append, Lease, ReaderNote, Store, StoreError, System};
use place::{Place, Triggers, Unsettled};
use serde::Serialize;
use serde_json::value::{RawValue, to_raw_value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// The names under which the store keeps the reader's place and the triggers that it saw.
const PLACE: &str = "capture";
const TRIGGERS: &str = "capture_triggers";

/// How many batches of a backlog are looked up at once.
const BACKLOG_BATCHES: u32 = 20;

/// The shortest pause after a failure.
const FAILURE_PAUSE_MIN: Duration = Duration::from_millis(100);

/// How many errors of each table's triggers the reader has answered, for whoever looks beside it.
pub async fn answered_errors(store: &Store, system: &System) -> Result<BTreeMap<String, i64>, StoreError> {
    let note = store.reader_note(system.tenant, system.key, PLACE).await?;
    let place: Option<Place> = note.and_then(|note| serde_json::from_str(&note).ok());
    Ok(place.map(|place| place.marks_by_table).unwrap_or_default())
}

/// Reads until `stop`, or until the lease is lost. Answers the lease as last renewed.
pub(super) async fn read_while_leading(
    cx: &Context,
    system: &System,
    mut lease: Lease,
    stop: &CancellationToken,
) -> Lease {
    let wake_up = cx.hub.reader(system.key, Strategy::Capture);
    let mut session = None;
    let mut pause = ms(cx.config.ingest.capture_interval_min_ms);
    let mut failures = 0_u32;
    loop {
        let looked = tokio::select! {
            () = stop.cancelled() => return lease,
            looked = look(cx, system, &mut session, &mut lease) => looked,
        };
        let Some(looked) = looked.transpose() else { return lease };
        pause = match looked {
            Ok(Looked::NotInstalled) => {
                failures = 0;
                ms(cx.config.ingest.capture_check_ms)
            }
            Ok(looked) => {
                failures = 0;
                next_pause(cx, pause, looked == Looked::Changes)
            }
            Err(problem) => {
                // Whatever state the connection is in, a new one starts from what is durable.
                session = None;
                failures = failures.saturating_add(1);
                fail(cx, system, &problem, failures).await;
                backoff(&*cx.entropy, failures, FAILURE_PAUSE_MIN, ms(cx.config.ingest.pull_backoff_max_ms))
            }
        };
        let notified = async {
            match &session {
                Some(Session { database, .. }) => database.notified().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            () = stop.cancelled() => return lease,
            () = wake_up.woken(), if session.is_some() => {}
            () = notified => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// Short while there is news, longer step by step while there is none.
fn next_pause(cx: &Context, last: Duration, any: bool) -> Duration {
    let settings = &cx.config.ingest;
    let (shortest, longest) = (ms(settings.capture_interval_min_ms), ms(settings.capture_interval_max_ms));
    if any { shortest } else { (last.max(shortest) * 3 / 2).min(longest) }
}

async fn fail(cx: &Context, system: &System, problem: &Problem, failures: u32) {
    let message = cx.texts.english(&problem.message);
    tracing::warn!(
        system.id = %system.system_id,
        tenant.id = system.tenant.0,
        failures,
        causes = %problem.causes(),
        "read the outbox: {message}"
    );
    cx.readers.update(system.key, Strategy::Capture, |status| {
        status.state = ReaderState::Failing;
        status.last_error = Some(message.clone());
    });
    alerts::source_failed(cx, system, Strategy::Capture, problem, failures);
    detection::failed(cx, system, Strategy::Capture, &message).await;
}

/// What is kept while a connection holds.
struct Session {
    database: Database,
    outbox: Outbox,
    tables: TableMap,
    place: Place,
    triggers: Triggers,
    trail: DatabaseTrail,
    /// Every row up to this id has been read or will never be.
    floor: i64,
    /// The highest id that had been given at a moment, and the transactions that may still bring one up to it.
    rising: Option<Rising>,
    /// When the triggers and the life were last looked at.
    checked_at: Instant,
}

/// Ids up to `id` belong to transactions with numbers below `until`, or to none.
#[derive(Debug, Clone, Copy)]
struct Rising {
    id: i64,
    until: i64,
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    Changes,
    Nothing,
    /// There is no outbox in this database.
    NotInstalled,
}

/// One look. `None`: the lease was lost before its end.
async fn look(
    cx: &Context,
    system: &System,
    session: &mut Option<Session>,
    lease: &mut Lease,
) -> Result<Option<Looked>, Problem> {
    if !leader::keep_lease(cx, lease).await? {
        return Ok(None);
    }
    if session.is_none() {
        *session = open(cx, system, lease).await?;
    }
    let Some(open) = session else {
        cx.readers.update(system.key, Strategy::Capture, |status| status.state = ReaderState::NoFeed);
        let why = "no capture is installed in the ERP's database";
        detection::failed(cx, system, Strategy::Capture, why).await;
        return Ok(Some(Looked::NotInstalled));
    };
    let owners = detection::owners(cx, system).await?;
    let mut work = Work { cx, system, lease, owners: &owners };
    if open.checked_at.elapsed() >= ms(cx.config.ingest.capture_check_ms) {
        work.check(open).await?;
    }
    let pulse = open.outbox.pulse(&open.database, open.place.witness).await?;
    if !pulse.has_witness {
        work.begin_anew(open).await?;
        return Ok(Some(Looked::Changes));
    }
    work.answer_marks(open, &pulse).await?;
    let behind = pulse.last_id;
    cx.readers.update(system.key, Strategy::Capture, |status| status.newest_id = status.newest_id.max(behind));
    let Some(any) = work.drain(open, &pulse).await? else { return Ok(None) };
    let covered = |model: &ModelName| {
        let tables = open.tables.of_model(model);
        !tables.is_empty() && tables.iter().all(|table| open.triggers.fire_on(table))
    };
    detection::looked(cx, system, Strategy::Capture, &owners, covered, &work.lease.fence()).await?;
    let read_to = open.place.witness.map_or(0, |witness| witness.id);
    let now = cx.clock.now();
    cx.readers.update(system.key, Strategy::Capture, |status| {
        status.state = ReaderState::Running;
        // Everything that could be seen is read; ids of transactions that were rolled back are nobody's backlog.
        status.read_to = read_to;
        status.newest_id = read_to;
        status.last_success_at = Some(now);
        status.last_error = None;
    });
    Ok(Some(if any { Looked::Changes } else { Looked::Nothing }))
}

/// Connects; `None` if there is no outbox.
async fn open(cx: &Context, system: &System, lease: &mut Lease) -> Result<Option<Session>, Problem> {
    let connection = parse_connection(&system.connection)?;
    let Some(url) = connection.postgres_url else { return Ok(None) };
    let options = DatabaseOptions {
        application_name: "bridgecore capture".to_owned(),
        connect_timeout_ms: cx.config.erp.connect_timeout_ms,
        statement_timeout_ms: cx.config.erp.call_timeout_ms,
        outbound: cx.erps.outbound().clone(),
    };
    let database = Database::connect(&url, &options).await?;
    if !outbox::is_installed(&database).await? {
        return Ok(None);
    }
    let outbox = Outbox::open(&database).await.map_err(|error| {
        error.doing("the outbox can't be read; `bridgecore capture status` tells whether it is installed")
    })?;
    let tables = TableMap::read(&database).await?;
    let life = outbox::life(&database).await?;
    let note = async |reader| cx.store.reader_note(system.tenant, system.key, reader).await;
    let known: Option<Place> = note(PLACE).await?.and_then(|note| serde_json::from_str(&note).ok());
    let triggers = note(TRIGGERS).await?.and_then(|note| serde_json::from_str(&note).ok()).unwrap_or_default();
    let is_same = known.as_ref().is_some_and(|place| place.life == life);
    let checked_at = Instant::now();
    let place = known.unwrap_or_default();
    let trail = DatabaseTrail::new(&url);
    let mut session = Session { database, outbox, tables, place, triggers, trail, floor: 0, rising: None, checked_at };
    let owners = detection::owners(cx, system).await?;
    let mut work = Work { cx, system, lease, owners: &owners };
    if !is_same {
        work.open_life(&mut session, life, 0).await?;
    }
    work.check(&mut session).await?;
    Ok(Some(session))
}

/// What every step of a look works with.
struct Work<'a> {
    cx: &'a Context,
    system: &'a System,
    lease: &'a mut Lease,
    owners: &'a ModelOwners,
}

impl Work<'_> {
    /// Begins a life. Unless it is the very first, everything of the models that this strategy sees may have changed.
    async fn open_life(&mut self, session: &mut Session, life: String, restarts: u32) -> Result<(), Problem> {
        let is_first = session.place.life.is_empty();
        let place = Place::of_life(life, restarts);
        let mut models = BTreeSet::new();
        if !is_first {
            tracing::warn!(system.id = %self.system.system_id, "the outbox began anew: a restore or a reinstallation");
            models = self.owners.models_of(Strategy::Capture).into_iter().cloned().collect();
        }
        let cause = format!("capture:{}", place.incarnation());
        self.save(PLACE, &place, self.resets(models, &cause)).await?;
        session.place = place;
        (session.floor, session.rising) = (0, None);
        Ok(())
    }

    /// The row that was read last is gone: the database was put back to an earlier state in its place, or somebody
    /// emptied the outbox.
    async fn begin_anew(&mut self, session: &mut Session) -> Result<(), Problem> {
        let (life, restarts) = (session.place.life.clone(), session.place.restarts + 1);
        self.open_life(session, life, restarts).await?;
        self.check(session).await
    }

    /// Looks at what changes rarely: the life, which table holds what, and whether the triggers fire.
    async fn check(&mut self, session: &mut Session) -> Result<(), Problem> {
        session.checked_at = Instant::now();
        let life = outbox::life(&session.database).await?;
        if life != session.place.life {
            self.open_life(session, life, 0).await?;
        }
        session.tables = TableMap::read(&session.database).await?;
        let by_table: BTreeMap<_, _> = session.outbox.triggers(&session.database).await?.into_iter().collect();
        let triggers = Triggers { incarnation: session.place.incarnation(), by_table };
        if triggers == session.triggers {
            return Ok(());
        }
        let interrupted = session.triggers.interrupted(&triggers);
        if !interrupted.is_empty() {
            tracing::warn!(
                system.id = %self.system.system_id,
                tables = %interrupted.join(", "),
                "triggers were made, or changed, or did not fire for a while"
            );
        }
        let mut resets = Vec::new();
        for table in &interrupted {
            let now = triggers.by_table.get(table).cloned().flatten().unwrap_or_default();
            let cause = format!("capture:{}:triggers:{table}:{now}", triggers.incarnation);
            resets.extend(self.resets(self.models_of(session, std::slice::from_ref(table)), &cause));
        }
        self.save(TRIGGERS, &triggers, resets).await?;
        session.triggers = triggers;
        Ok(())
    }

    /// Answers errors that triggers have caught: a `reset` of the table's models at once, and another one when every
    /// transaction that may have had the error has ended, since a change is only there for readers after its commit.
    async fn answer_marks(&mut self, session: &mut Session, pulse: &Pulse) -> Result<(), Problem> {
        let mut place = session.place.clone();
        let mut resets = Vec::new();
        if let Some(unsettled) = place.unsettled.take_if(|unsettled| pulse.oldest_running >= unsettled.until) {
            let cause = format!("capture:{}:settled:{}", place.incarnation(), unsettled.until);
            resets.extend(self.resets(self.models_of(session, &unsettled.tables), &cause));
        }
        if pulse.marks != place.marks {
            let marks: BTreeMap<_, _> = session.outbox.marks(&session.database).await?.into_iter().collect();
            // Asked for after the marks were read: whoever made one has a lower number.
            let until = session.database.take_transaction_number().await?;
            let known = |table: &String| place.marks_by_table.get(table).copied().unwrap_or(0);
            let mut marked: Vec<_> =
                marks.iter().filter(|(table, count)| known(table) != **count).map(|(table, _)| table.clone()).collect();
            let told: i64 = marks.iter().map(|(table, count)| (count - known(table)).max(0)).sum();
            if told < pulse.marks - place.marks {
                // The counter of a table was made anew or went away with it: it may have been any of them.
                marked = session.tables.iter().map(|(table, _)| table.to_owned()).collect();
            }
            tracing::warn!(
                system.id = %self.system.system_id,
                tables = %marked.join(", "),
                "triggers have caught errors: what they missed is answered by a reset"
            );
            self.cx.metrics.capture_errors.inc_by(u64::try_from((pulse.marks - place.marks).max(0)).unwrap_or(0));
            let cause = format!("capture:{}:marked:{until}", place.incarnation());
            resets.extend(self.resets(self.models_of(session, &marked), &cause));
            let mut tables: BTreeSet<_> =
                place.unsettled.take().map(|open| open.tables).unwrap_or_default().into_iter().collect();
            tables.extend(marked);
            place.unsettled = Some(Unsettled { tables: tables.into_iter().collect(), until });
            (place.marks, place.marks_by_table) = (pulse.marks, marks);
        }
        if place != session.place {
            self.save(PLACE, &place, resets).await?;
            session.place = place;
        }
        Ok(())
    }

    /// Takes the rows that can be seen, batch by batch, until there are no more. True: there were some. `None`: the
    /// lease was lost on the way.
    ///
    /// What is in a batch, and in all batches before it, could be seen at one moment. Batches of different moments would
    /// swap a record's writes: the second can be committed, and have a higher id, after a batch was read that lacks the
    /// first.
    async fn drain(&mut self, session: &mut Session, pulse: &Pulse) -> Result<Option<bool>, Problem> {
        let limit = self.cx.config.ingest.capture_rows_max;
        let incarnation = session.place.incarnation();
        let rows = session.outbox.rows(&session.database, &incarnation, session.floor, limit).await?;
        let mut is_full = rows.len() >= limit as usize;
        let mut any = self.pass(session, rows).await?;
        while is_full {
            let most = limit.saturating_mul(BACKLOG_BATCHES);
            let ids = session.outbox.ids(&session.database, session.floor, most).await?;
            is_full = ids.len() >= most as usize;
            for batch in ids.chunks(limit.max(1) as usize) {
                // A long backlog can take longer than the lease holds.
                if !leader::keep_lease(self.cx, self.lease).await? {
                    return Ok(None);
                }
                let rows = session.outbox.rows_of(&session.database, &incarnation, batch).await?;
                any |= self.pass(session, rows).await?;
            }
        }
        session.raise_floor(pulse).await?;
        Ok(Some(any))
    }

    /// Puts rows into the log and then deletes them. True: there were some that had not been read before.
    async fn pass(&mut self, session: &mut Session, rows: Vec<OutboxRow>) -> Result<bool, Problem> {
        let unknown = |row: &OutboxRow| session.tables.get(&row.change.table).is_none();
        if rows.iter().any(unknown) {
            // A model that came with a new module of Odoo.
            session.tables = TableMap::read(&session.database).await?;
        }
        let mut place = session.place.clone();
        let (mut changes, mut others, mut read) = (Vec::new(), BTreeSet::new(), Vec::new());
        let mut left = Vec::new();
        for row in rows {
            let id = row.witness.id;
            if session.place.has_passed(id) {
                left.extend((session.place.previous_id == id).then_some(id));
                continue;
            }
            read.push(row.witness);
            for (model, change) in self.changes(&session.tables, &row) {
                match change {
                    Some(change) => changes.push(Found { change, began_at: row.change.began_at }),
                    None => others.extend(self.owners.owner(&model).map(|owner| (owner, model))),
                }
            }
        }
        let any = !read.is_empty();
        let mut ids = place.pass(&read);
        ids.extend(left);
        let changes = session.trail.complete(self.cx, self.system, changes).await;
        // Rows that came late leave the place as it is.
        if place != session.place || !changes.is_empty() {
            self.save(PLACE, &place, changes).await?;
            session.place = place;
        }
        session.outbox.delete(&session.database, &ids).await?;
        for (owner, model) in &others {
            self.cx.hub.nudge_for(self.system.key, *owner, model);
        }
        Ok(any)
    }

    /// What a row says: of each model a change, or nothing but the model where another strategy owns it.
    fn changes(&self, tables: &TableMap, row: &OutboxRow) -> Vec<(ModelName, Option<NewChange>)> {
        let settings = &self.cx.config.ingest;
        let told = tables.told_by(&row.change);
        let tracked = told.into_iter().filter(|told| pipeline::tracked(&settings.untracked_models, &told.model));
        let image = |fields: &Option<serde_json::Map<String, serde_json::Value>>| -> Option<Box<RawValue>> {
            let written = fields.as_ref().and_then(|fields| to_raw_value(fields).ok());
            pipeline::bounded(written, settings.payload_bytes_max)
        };
        tracked
            .map(|told| {
                if !self.owners.takes(&told.model, Strategy::Capture) {
                    return (told.model, None);
                }
                let names = row.change.changed_columns.clone().filter(|names| pipeline::are_names(names));
                let change = NewChange {
                    system: self.system.key,
                    epoch: Epoch::default(),
                    model: told.model.clone(),
                    record_id: told.record_id,
                    event: told.event,
                    priority: self.owners.class(&told.model).map(ModelClass::priority).unwrap_or_default(),
                    occurred_at: row.change.occurred_at,
                    origin: Origin::Capture,
                    source_id: Some(told.source_id),
                    changed_fields: if told.event == Event::Write { names } else { None },
                    payload: None,
                    old_data: image(&row.change.old),
                    new_data: image(&row.change.new),
                    erp_user_id: row.change.user_id.filter(|_| self.cx.config.detection.trail.enabled),
                    idempotency_key: None,
                };
                (told.model, Some(change))
            })
            .collect()
    }

    /// The models that these tables hold something of and that this strategy sees.
    fn models_of(&self, session: &Session, tables: &[String]) -> BTreeSet<ModelName> {
        let models = tables.iter().filter_map(|table| session.tables.get(table)).flat_map(|table| table.models());
        models.filter(|model| self.owners.takes(model, Strategy::Capture)).cloned().collect()
    }

    fn resets(&self, models: BTreeSet<ModelName>, cause: &str) -> Vec<NewChange> {
        let now: Timestamp = self.cx.clock.now();
        let epoch = Epoch::default();
        let of_pull = pipeline::resets(self.system.key, epoch, models, cause, now);
        of_pull.into_iter().map(|change| NewChange { origin: Origin::Capture, ..change }).collect()
    }

    /// Appends changes together with what is to be remembered; durable when this returns.
    async fn save(
        &self,
        reader: &'static str,
        remembered: &impl Serialize,
        changes: Vec<NewChange>,
    ) -> Result<(), Problem> {
        let note = serde_json::to_string(remembered)
            .map_err(|error| Problem::new(ProblemKind::Internal, Message::internal()).caused_by(error))?;
        let note = ReaderNote { system: self.system.key, reader, note };
        let batch = Append { changes, note: Some(note), fence: Some(self.lease.fence()), ..Append::default() };
        pipeline::append(self.cx, self.system.tenant, batch).await?;
        Ok(())
    }
}

impl Session {
    /// Learns up to which id the outbox is read for good, so that a look need not step over what was deleted there: a
    /// long transaction of somebody else's keeps the database from cleaning it up.
    ///
    /// `pulse` was taken before the rows were read, and all of them were.
    async fn raise_floor(&mut self, pulse: &Pulse) -> Result<(), Problem> {
        match self.rising {
            // Everybody who had taken an id up to this one has ended before the rows were read.
            Some(Rising { id, until }) if pulse.oldest_running >= until => {
                self.floor = id;
                self.rising = None;
            }
            // Whoever had taken an id when the pulse was taken has a number below the one that is taken now.
            None if pulse.last_id > self.floor => {
                let until = self.database.take_transaction_number().await?;
                self.rising = Some(Rising { id: pulse.last_id, until });
            }
            _ => {}
        }
        Ok(())
    }
}
