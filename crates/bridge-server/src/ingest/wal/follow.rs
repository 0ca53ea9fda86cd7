//! Reading through the slot: what the log tells goes into ours in bounded batches, in its order, and the database is
//! told how far it may forget once that is durable.

use super::prepare::{Prepared, read_to};
use super::taken::Taken;
use super::{Ended, WalState, Work};
use crate::config::ms;
use crate::detection::{self, ModelOwners};
use crate::ingest::trail::{DatabaseTrail, Found};
use crate::ingest::{ReaderState, pipeline};
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_erp::odoo::database::wal::publication::{self, Publication};
use bridge_erp::odoo::database::wal::slot::{self, IN_USE, Look};
use bridge_erp::odoo::database::wal::{Lsn, Piece, Stream, Target, Transactions};
use bridge_erp::odoo::database::{Database, DatabaseError, DatabaseErrorKind, RowChange, RowKey, TableKind, TableMap};
use bridge_model::{ModelClass, ModelName, NewChange, Origin, RecordId, Strategy};
use bridge_store::{Append, WalPlace};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::{Instant, MissedTickBehavior};

/// How often the publication is compared with what is to be read.
const PUBLICATION_INTERVAL: Duration = Duration::from_secs(10);

/// How often a place is saved while nothing of ours changes, so that the database can forget.
const IDLE_SAVE_INTERVAL: Duration = Duration::from_secs(10);

/// What the database answers when what the log is read by did not exist at that place of the log.
const NO_SUCH_OBJECT: &str = "42704";

/// Reads until something is wrong.
pub(super) async fn follow(work: &Work<'_>, prepared: Prepared) -> Result<Ended, Problem> {
    let Prepared { database, target, place, resent_from, owners, tables } = prepared;
    let stream = match start(work, &database, &target, &place.slot).await {
        Err(error) if is_undefined(&error) => return Ok(Ended::AnotherHistory),
        started => started?,
    };
    let taken = Taken::load(work, &place.life).await?;
    let mut follower = Follower {
        work,
        database,
        stream,
        transactions: Transactions::new(&place.life, work.cx.config.wal.image_bytes_max),
        rows: Vec::new(),
        resent_rows: 0,
        resent_to: read_to(&place),
        known_models: taken.before(resent_from),
        taken,
        read_to: read_to(&place),
        saved_to: read_to(&place),
        saved_at: Instant::now(),
        place,
        owners,
        tables,
        strangers: BTreeSet::new(),
        trail: DatabaseTrail::new(&work.url),
        settling: BTreeMap::new(),
        published_at: None,
        may_publish: true,
        look: None,
    };
    let mut looks = tokio::time::interval(ms(work.cx.config.wal.look_interval_ms));
    looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    follower.note_taken().await?;
    loop {
        tokio::select! {
            piece = follower.stream.next() => match piece {
                Ok(piece) => {
                    if !follower.take(piece).await? {
                        return Ok(Ended::AnotherHistory);
                    }
                }
                Err(error) if is_undefined(&error) => return Ok(Ended::AnotherHistory),
                Err(error) => return Err(error.into()),
            },
            _ = looks.tick() => {
                if !follower.look().await? {
                    return Ok(Ended::NothingToRead);
                }
            }
        }
    }
}

fn is_undefined(error: &DatabaseError) -> bool {
    error.sql_state.as_deref() == Some(NO_SUCH_OBJECT)
}

/// Begins to read. A connection of ours that was lost, or that a node had which led before us, may still hold the
/// slot: we lead now, so that it is ended.
async fn start(work: &Work<'_>, database: &Database, target: &Target, slot: &str) -> Result<Stream, DatabaseError> {
    let publication = &work.cx.config.wal.publication;
    let mut tries = 0;
    loop {
        match Stream::start(target, slot, publication, Arc::clone(&work.cx.clock)).await {
            Err(error) if error.sql_state.as_deref() == Some(IN_USE) && tries < super::END_TRIES => {
                tries += 1;
                slot::end_reader(database, slot, slot).await?;
                tokio::time::sleep(super::END_WAIT).await;
            }
            outcome => return outcome,
        }
    }
}

struct Follower<'a> {
    work: &'a Work<'a>,
    database: Database,
    stream: Stream,
    transactions: Transactions,
    /// What was told and is not in our log yet.
    rows: Vec<RowChange>,
    /// How many of them, at the front, were read before this stream began.
    resent_rows: usize,
    /// What was committed before this place was read before this stream began.
    resent_to: Lsn,
    /// The models of which everything that comes again should be in our log.
    known_models: BTreeSet<ModelName>,
    taken: Taken,
    /// Everything that was committed before this place is in our log.
    read_to: Lsn,
    /// The place that is saved, up to which the database may forget.
    saved_to: Lsn,
    saved_at: Instant,
    /// The place as it will be saved next, but for `read_to`.
    place: WalPlace,
    owners: Arc<ModelOwners>,
    tables: TableMap,
    /// Tables that belong to no model, as far as is known.
    strangers: BTreeSet<String>,
    trail: DatabaseTrail,
    /// Tables that were published lately: their membership, and the transaction before which all must have ended.
    settling: BTreeMap<String, (u32, i64)>,
    published_at: Option<Instant>,
    /// Whether the role may change the publication, as far as is known.
    may_publish: bool,
    /// The look under way: where the log ended when it began, and who owned which model.
    look: Option<(Lsn, Arc<ModelOwners>)>,
}

impl Follower<'_> {
    /// Puts what a piece tells into our log. False: it tells something else than it told before.
    async fn take(&mut self, piece: Piece) -> Result<bool, Problem> {
        let rows_max = self.work.cx.config.wal.batch_rows_max;
        for message in &piece.messages {
            let committed = self.transactions.take(message, &mut self.rows).map_err(DatabaseError::from)?;
            if self.transactions.commit().is_some_and(|commit| commit < self.resent_to) {
                self.resent_rows = self.rows.len();
            }
            if let Some(end) = committed {
                self.read_to = self.read_to.max(end);
            }
            if self.rows.len() >= rows_max && !self.flush().await? {
                return Ok(false);
            }
        }
        if !self.flush().await? {
            return Ok(false);
        }
        if let Some(end) = piece.complete_to
            && !self.transactions.is_open()
        {
            self.read_to = self.read_to.max(end);
        }
        self.end_look().await?;
        Ok(true)
    }

    /// Appends what waits. False: what was read before should be in our log and is not.
    async fn flush(&mut self) -> Result<bool, Problem> {
        if self.rows.is_empty() {
            return Ok(true);
        }
        let rows = std::mem::take(&mut self.rows);
        let resent_rows = std::mem::take(&mut self.resent_rows);
        if rows.iter().any(|row| self.tables.get(&row.table).is_none() && !self.strangers.contains(&row.table)) {
            self.tables = TableMap::read(&self.database).await?;
            let strangers = rows.iter().filter(|row| self.tables.get(&row.table).is_none());
            self.strangers.extend(strangers.map(|row| row.table.clone()));
        }
        let (mut changes, mut resent) = (Vec::with_capacity(rows.len()), 0);
        for (index, row) in rows.into_iter().enumerate() {
            self.translate(&row, &mut changes);
            if index < resent_rows {
                resent = changes.len();
            }
        }
        if changes.is_empty() {
            return Ok(true);
        }
        let should_be_known: Vec<bool> =
            changes[..resent].iter().map(|found| self.known_models.contains(&found.change.model)).collect();
        let changes = self.trail.complete(self.work.cx, self.work.system, changes).await;
        let appended = self.work.append(changes, self.place_now()).await?;
        self.saved();
        let is_missed = |(position, should_be_known): (&Option<_>, bool)| should_be_known && position.is_some();
        Ok(!appended.positions.iter().zip(should_be_known).any(is_missed))
    }

    /// Saves from where on which models are read for, if that has changed.
    async fn note_taken(&mut self) -> Result<(), Problem> {
        // Of a transaction under way, some rows may have been judged by who owned what before.
        let place = self.transactions.commit().map_or(self.read_to, |commit| self.read_to.max(Lsn(commit.0 + 1)));
        if self.taken.update(&self.owners.models_of(Strategy::Wal), place) {
            let note = Some(self.taken.note(self.work)?);
            self.work.append_all(Append { note, ..Append::default() }, self.place_now()).await?;
            self.saved();
        }
        Ok(())
    }

    fn translate(&self, row: &RowChange, changes: &mut Vec<Found>) {
        let work = self.work;
        let image = |image: &Option<Map<String, Value>>| -> Option<Box<RawValue>> {
            image.as_ref().and_then(|image| to_raw_value(image).ok())
        };
        for told in self.tables.told_by(row) {
            let wanted = self.owners.takes(&told.model, Strategy::Wal);
            if !wanted || !pipeline::tracked(&work.cx.config.ingest.untracked_models, &told.model) {
                continue;
            }
            let is_row = matches!(row.record, RowKey::Id(_));
            let id = told.record_id.clone().unwrap_or(RecordId::Number(0));
            let change = NewChange {
                record_id: told.record_id,
                priority: self.owners.class(&told.model).map(ModelClass::priority).unwrap_or_default(),
                origin: Origin::Wal,
                source_id: Some(told.source_id),
                changed_fields: row.changed_columns.clone().filter(|_| is_row),
                old_data: image(&row.old).filter(|_| is_row),
                new_data: image(&row.new).filter(|_| is_row),
                erp_user_id: row.user_id.filter(|_| work.cx.config.detection.trail.enabled),
                ..NewChange::of(work.system.key, told.model, id, told.event, row.occurred_at)
            };
            changes.push(Found { change, began_at: row.began_at });
        }
    }

    fn place_now(&self) -> WalPlace {
        WalPlace { read_to: i64::try_from(self.read_to.0).unwrap_or(i64::MAX), ..self.place.clone() }
    }

    /// What was appended is durable, and with it the place: the database may forget up to there.
    fn saved(&mut self) {
        self.saved_to = self.read_to;
        self.saved_at = Instant::now();
        self.stream.confirm(self.saved_to);
    }

    /// Begins a look: whatever is committed before now is read when it ends. False: nobody wants to know any more.
    async fn look(&mut self) -> Result<bool, Problem> {
        let (cx, system) = (self.work.cx, self.work.system);
        self.owners = detection::owners(cx, system).await?;
        if self.owners.models_of(Strategy::Wal).is_empty() {
            return Ok(false);
        }
        self.note_taken().await?;
        let looked = slot::look(&self.database).await?;
        if self.published_at.is_none_or(|at| at.elapsed() >= PUBLICATION_INTERVAL) || !self.settling.is_empty() {
            self.compare_publication(&looked).await?;
            self.published_at = Some(Instant::now());
        }
        if self.read_to > self.saved_to && self.saved_at.elapsed() >= IDLE_SAVE_INTERVAL {
            self.work.save(self.place_now()).await?;
            self.saved();
        }
        if self.look.is_none() {
            self.look = Some((looked.end, Arc::clone(&self.owners)));
        }
        self.stream.ask();
        self.end_look().await?;
        Ok(true)
    }

    /// Ends the look if everything from before it has been read.
    async fn end_look(&mut self) -> Result<(), Problem> {
        let Some((_, seen)) = self.look.take_if(|(end, _)| self.read_to.reaches(*end)) else { return Ok(()) };
        let (cx, system) = (self.work.cx, self.work.system);
        let covered = |model: &ModelName| self.is_covered(model);
        detection::looked(cx, system, Strategy::Wal, &seen, covered, &self.work.fence).await?;
        let unpublished: Vec<String> = seen
            .models_of(Strategy::Wal)
            .into_iter()
            .filter(|model| !self.is_covered(model))
            .map(ToString::to_string)
            .collect();
        let now = cx.clock.now();
        cx.readers.update(system.key, Strategy::Wal, |status| {
            status.state = ReaderState::Running;
            status.last_success_at = Some(now);
            status.last_error = None;
        });
        cx.wal_readers.update(system.key, |status| {
            status.state = WalState::Running;
            status.read_to = Some(self.read_to.to_string());
            status.unpublished_models = unpublished;
            status.last_success_at = Some(now);
            status.last_error = None;
        });
        Ok(())
    }

    /// Whether every change of a model's records is told: its tables are published, and were when the transactions
    /// that are open now began.
    fn is_covered(&self, model: &ModelName) -> bool {
        let mut tables = self.record_tables(model).peekable();
        tables.peek().is_some() && tables.all(|table| self.place.published.contains_key(table))
    }

    fn record_tables(&self, model: &ModelName) -> impl Iterator<Item = &str> {
        let holds = |kind: &TableKind| matches!(kind, TableKind::Records(models) if models.contains(model));
        self.tables.iter().filter(move |(_, table)| holds(&table.kind)).map(|(name, _)| name)
    }

    /// Notes which tables were published or taken out. One that was published lately is read from a transaction on
    /// that began later; once all older ones have ended, what was missed of it is covered by a reset.
    async fn compare_publication(&mut self, looked: &Look) -> Result<(), Problem> {
        let publication = self.publish().await?;
        self.place.published.retain(|table, member| publication.members.get(table) == Some(member));
        self.settling.retain(|table, (member, _)| publication.members.get(table) == Some(member));
        let news: Vec<_> = publication
            .members
            .iter()
            .filter(|(table, _)| !self.place.published.contains_key(*table) && !self.settling.contains_key(*table))
            .map(|(table, member)| (table.clone(), *member))
            .collect();
        if !news.is_empty() {
            // Asked for after the publication was seen: who has written before it was changed is below.
            let next = self.database.take_transaction_number().await?;
            self.settling.extend(news.into_iter().map(|(table, member)| (table, (member, next))));
            self.tables = TableMap::read(&self.database).await?;
            self.strangers.clear();
        }
        let settled: Vec<_> = self
            .settling
            .iter()
            .filter(|(_, (_, next))| looked.oldest_transaction >= *next)
            .map(|(table, (member, _))| (table.clone(), *member))
            .collect();
        for (table, member) in settled {
            self.settling.remove(&table);
            let models: Vec<_> =
                self.tables.get(&table).map(|table| table.models().into_iter().cloned().collect()).unwrap_or_default();
            let cause = format!("{}:{table}:{member}", self.place.life);
            let resets = self.work.resets(&self.owners, &models, &cause);
            self.place.published.insert(table, member);
            self.work.append(resets, self.place_now()).await?;
            self.saved();
        }
        let refused =
            publication.refused.iter().map(|(table, reason)| (table.to_string(), (*reason).to_owned())).collect();
        self.work.cx.wal_readers.update(self.work.system.key, |status| status.refused_tables = refused);
        Ok(())
    }

    /// The publication, after tables of ours were added to it and tables that endanger Odoo were taken out, where the
    /// role may do that. Where it may not, the status says what is to be done.
    async fn publish(&mut self) -> Result<Publication, Problem> {
        let name = &self.work.cx.config.wal.publication;
        let gone = || Problem::new(ProblemKind::ErpFailed, Message::wal_publication_gone(name));
        let publication = publication::find(&self.database, name).await?.ok_or_else(gone)?;
        if !self.may_publish {
            return Ok(publication);
        }
        let ours = self.owners.models_of(Strategy::Wal);
        let mut tables: BTreeSet<String> = self
            .tables
            .iter()
            .filter(|(_, table)| table.models().iter().any(|model| ours.contains(*model)))
            .map(|(name, _)| name.to_owned())
            .collect();
        if tables.iter().all(|table| publication.members.contains_key(table)) && publication.refused.is_empty() {
            return Ok(publication);
        }
        tables = publication::choose(&self.database, &tables).await?.tables;
        // What was published by hand stays: it may be about to get an owner.
        tables.extend(publication.members.keys().cloned());
        for statement in publication::statements(name, Some(&publication), &tables) {
            match self.database.batch_execute(&statement).await {
                Ok(()) => tracing::info!(system.id = %self.work.system.system_id, statement, "changed the publication"),
                Err(error) if error.kind == DatabaseErrorKind::Denied => {
                    self.may_publish = false;
                    tracing::warn!(
                        system.id = %self.work.system.system_id,
                        error = %error,
                        "the role may not change the publication: run `bridgecore wal install`"
                    );
                    break;
                }
                // A table that went away meanwhile, or a lock that was not had: the next look tries again.
                Err(error) => tracing::warn!(error = %error, statement, "change the publication"),
            }
        }
        publication::find(&self.database, name).await?.ok_or_else(gone)
    }
}
