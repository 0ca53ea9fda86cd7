//! Reading a system's event table in the background.
//!
//! Each look asks for the rows above the highest id that was read, and for the ids that were missing before. What was
//! found and how far the reading has come are saved in one transaction, so that a crash repeats a step or does not,
//! and never loses one.

use super::pipeline;
use super::status::ReaderState;
use super::{gaps, leader, life};
use crate::alerts;
use crate::backoff::backoff;
use crate::config::ms;
use crate::context::Context;
use crate::detection::{self, ModelOwners};
use crate::problem::Problem;
use bridge_erp::{Adapter, FeedEvent, FeedInfo};
use bridge_model::{ModelName, NewChange, Origin, SourceId, Strategy, Timestamp};
use bridge_store::{Append, Lease, NewDeadLetter, SourceProgress, SourceState, System};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How often the state of the table as a whole is asked for while there are no gaps to settle.
const INFO_INTERVAL: Duration = Duration::from_secs(5);

/// The shortest time between two looks when the reader is woken.
const HURRY_INTERVAL: Duration = Duration::from_millis(25);

/// What the status says while reading is held back.
const HELD_BACK: &str =
    "too many event ids are missing: reading waits until the transactions that may hold them have ended";

/// By how much our clock may run ahead of an even one between two looks before it counts as put forward.
const JUMP: Duration = Duration::from_secs(1);

/// Added to the age of the ERP's oldest transaction, for the time that the answer itself took to arrive.
const AGE_MARGIN: Duration = Duration::from_secs(2);

/// Reads until `stop`, or until the lease is lost. Answers the lease as last renewed.
pub(super) async fn read_while_leading(cx: &Context, system: &System, lease: Lease, stop: &CancellationToken) -> Lease {
    let wake_up = cx.hub.reader(system.key, Strategy::Addon);
    let now = cx.clock.now();
    let mut reader = Reader {
        cx,
        system,
        lease,
        info: None,
        cleaned_to: 0,
        hole: None,
        even_since: now,
        last_look: (now, Instant::now()),
        failures: 0,
    };
    let mut pause = ms(cx.config.ingest.pull_interval_min_ms);
    loop {
        let looked = tokio::select! {
            () = stop.cancelled() => return reader.lease,
            looked = reader.look() => looked,
        };
        let Some(looked) = looked.transpose() else { return reader.lease };
        // Where there is no event table, a wake-up has nothing to hurry.
        let can_hurry = !matches!(looked, Ok(Looked::NoFeed));
        if let Some(why) = trouble(cx, &looked) {
            detection::failed(cx, system, Strategy::Addon, &why).await;
        }
        pause = reader.next_pause(pause, looked);
        let woken = async {
            wake_up.woken().await;
            // However many pushes come, the ERP is asked only so often.
            tokio::time::sleep(HURRY_INTERVAL).await;
        };
        tokio::select! {
            () = stop.cancelled() => return reader.lease,
            () = woken, if can_hurry => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
}

/// What a look found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    /// Something new.
    Changes,
    /// Nothing new.
    Nothing,
    /// Rows wait behind too many missing ids.
    HeldBack,
    /// The system has no event table.
    NoFeed,
}

/// Why a look did not find what the add-on has to tell.
fn trouble(cx: &Context, looked: &Result<Looked, Problem>) -> Option<String> {
    match looked {
        Ok(Looked::Changes | Looked::Nothing) => None,
        Ok(Looked::HeldBack) => Some(HELD_BACK.to_owned()),
        Ok(Looked::NoFeed) => Some("the system has no event table".to_owned()),
        Err(problem) => Some(cx.texts.english(&problem.message)),
    }
}

struct Reader<'a> {
    cx: &'a Context,
    system: &'a System,
    lease: Lease,
    /// The table's state and when (by our clock, before the call) it was asked for.
    info: Option<(Timestamp, FeedInfo)>,
    /// Up to which id it has been told that events were cleaned away unread.
    cleaned_to: i64,
    /// A hole in the ids that is too large to note: what was read to before it, and when it was first seen.
    hole: Option<(i64, Timestamp)>,
    /// Since when our clock has gone evenly. What was noted before it jumped is settled only by what came after.
    even_since: Timestamp,
    /// When the last look began, by our clock and by one that can't be set.
    last_look: (Timestamp, Instant),
    failures: u32,
}

impl Reader<'_> {
    /// The pause after a look: short while there is news, longer step by step while there is none, backing off
    /// after failures.
    fn next_pause(&mut self, last: Duration, looked: Result<Looked, Problem>) -> Duration {
        let settings = &self.cx.config.ingest;
        let (shortest, longest) = (ms(settings.pull_interval_min_ms), ms(settings.pull_interval_max_ms));
        let now = self.cx.clock.now();
        match looked {
            Ok(found) => {
                self.failures = 0;
                self.cx.readers.update(self.system.key, Strategy::Addon, |status| {
                    status.state = match found {
                        Looked::NoFeed => ReaderState::NoFeed,
                        Looked::HeldBack => ReaderState::HeldBack,
                        Looked::Changes | Looked::Nothing => ReaderState::Running,
                    };
                    status.last_success_at = Some(now);
                    status.last_error = (found == Looked::HeldBack).then(|| HELD_BACK.to_owned());
                });
                match found {
                    Looked::Changes => shortest,
                    Looked::Nothing | Looked::HeldBack => (last.max(shortest) * 3 / 2).min(longest),
                    Looked::NoFeed => longest,
                }
            }
            Err(problem) => {
                self.failures = self.failures.saturating_add(1);
                self.info = None;
                let message = self.cx.texts.english(&problem.message);
                tracing::warn!(
                    system.id = %self.system.system_id,
                    tenant.id = self.system.tenant.0,
                    failures = self.failures,
                    causes = %problem.causes(),
                    "read the event table: {message}"
                );
                self.cx.readers.update(self.system.key, Strategy::Addon, |status| {
                    status.state = ReaderState::Failing;
                    status.last_error = Some(message);
                });
                alerts::source_failed(self.cx, self.system, Strategy::Addon, &problem, self.failures);
                backoff(&*self.cx.entropy, self.failures, shortest, ms(settings.pull_backoff_max_ms))
            }
        }
    }

    /// Notices when our clock was put forward: times that were noted before look older than they are.
    fn notice_jumps(&mut self, now: Timestamp) {
        let (then, instant) = self.last_look;
        if now.since(then) > instant.elapsed() + JUMP {
            tracing::warn!(system.id = %self.system.system_id, "the clock was put forward");
            self.even_since = now;
        }
        self.last_look = (now, Instant::now());
    }

    /// One look at the table. `None`: the lease was lost before its end.
    async fn look(&mut self) -> Result<Option<Looked>, Problem> {
        if !leader::keep_lease(self.cx, &mut self.lease).await? {
            return Ok(None);
        }
        let began_at = self.cx.clock.now();
        self.notice_jumps(began_at);
        let adapter = self.cx.erps.adapter(self.system)?;
        let owners = detection::owners(self.cx, self.system).await?;
        let mut source = self.source().await?;
        if !self.refresh_info(&adapter, &source).await? {
            return Ok(Some(Looked::NoFeed));
        }
        let Some((asked_at, info)) = self.info.clone() else { return Ok(Some(Looked::NoFeed)) };
        if let Some(identity) = new_life(&source, &info) {
            // What was gone when this life was first seen is nobody's loss, or was told with the new life.
            self.cleaned_to = info.cleaned_to;
            self.open_epoch(&source, &identity, info.cleaned_to).await?;
            source = self.source().await?;
        } else if gaps::lost(&source, self.cleaned_to, info.cleaned_to) {
            self.say_cleaned_unread(&source, info.cleaned_to).await?;
            self.cleaned_to = info.cleaned_to;
        }
        let finished_before = finished_before(self.cx, asked_at, &info);
        // Before our clock was put forward, nothing that it said can be compared with what it says now.
        let settle_before = if self.even_since < finished_before { finished_before } else { Timestamp::default() };
        let read = self.read(&adapter, source, settle_before, &owners).await?;
        let Some((source, looked)) = read else { return Ok(None) };
        if looked != Looked::HeldBack {
            let all = |_: &ModelName| true;
            let fence = self.lease.fence();
            detection::looked(self.cx, self.system, Strategy::Addon, &owners, all, &fence).await?;
        }
        let newest_id = info.newest_id.max(source.read_to);
        if let Some((_, kept)) = &mut self.info {
            // What was read since it was asked for must not make the table look as if it had gone back.
            kept.newest_id = newest_id;
        }
        self.cx.readers.update(self.system.key, Strategy::Addon, |status| {
            status.feed = Some(info.kind);
            status.newest_id = newest_id;
            status.look_began_at = Some(began_at);
        });
        Ok(Some(looked))
    }

    async fn source(&self) -> Result<SourceState, Problem> {
        Ok(self.cx.store.source(self.system.tenant, self.system.key).await?)
    }

    /// Asks for the table's state where it may matter: at the beginning, from time to time, and whenever there are
    /// gaps to settle. False: there is no table.
    async fn refresh_info(&mut self, adapter: &Arc<dyn Adapter>, source: &SourceState) -> Result<bool, Problem> {
        let now = self.cx.clock.now();
        let fresh = self.info.as_ref().is_some_and(|(asked_at, _)| now.since(*asked_at) < INFO_INTERVAL);
        if fresh && source.gaps.is_empty() && self.hole.is_none() {
            return Ok(true);
        }
        self.info = adapter.feed_info().await?.map(|info| (now, info));
        Ok(self.info.is_some())
    }

    /// The table has another identity than the one that was read so far: its ids may start over. Opens the next
    /// epoch, and unless it is the very first, says of every model that anything may have changed.
    async fn open_epoch(&self, source: &SourceState, identity: &str, gone_to: i64) -> Result<(), Problem> {
        let (tenant, key) = (self.system.tenant, self.system.key);
        if source.identity.is_some() {
            tracing::warn!(system.id = %self.system.system_id, "the event table began anew: a restore or a reinstallation");
            // The resets come before the epoch is opened: if we are cut off in between, the step is repeated, and
            // the same resets are recognised by their key.
            let changes =
                pipeline::resets(key, source.epoch, self.known_models().await?, identity, self.cx.clock.now());
            let batch = Append { changes, fence: Some(self.lease.fence()), ..Append::default() };
            pipeline::append(self.cx, tenant, batch).await?;
        }
        self.cx.store.open_epoch(tenant, key, identity, gone_to, Some(self.lease.fence())).await?;
        Ok(())
    }

    /// The ERP has cleaned rows away that we had not come to: they can't be read any more, so that anything may have
    /// changed.
    async fn say_cleaned_unread(&self, source: &SourceState, cleaned_to: i64) -> Result<(), Problem> {
        tracing::warn!(system.id = %self.system.system_id, cleaned_to, "events were cleaned away before they were read");
        let cause = format!("cleaned:{cleaned_to}");
        let now = self.cx.clock.now();
        let changes = pipeline::resets(self.system.key, source.epoch, self.known_models().await?, &cause, now);
        let batch = Append { changes, fence: Some(self.lease.fence()), ..Append::default() };
        pipeline::append(self.cx, self.system.tenant, batch).await?;
        Ok(())
    }

    /// The models that apps ask for, and those of which the log has ever told.
    async fn known_models(&self) -> Result<BTreeSet<ModelName>, Problem> {
        let names = self.cx.config.sync.app_types.values().flatten();
        let mut models: BTreeSet<_> = names.filter_map(|name| ModelName::parse(name.as_str()).ok()).collect();
        models.extend(self.cx.store.logged_models(self.system.tenant, self.system.key).await?);
        Ok(models)
    }

    /// Reads the rows above what was read and those that have appeared in the gaps, batch by batch, until there are no
    /// more. `None`: the lease was lost on the way.
    async fn read(
        &mut self,
        adapter: &Arc<dyn Adapter>,
        mut source: SourceState,
        finished_before: Timestamp,
        owners: &ModelOwners,
    ) -> Result<Option<(SourceState, Looked)>, Problem> {
        let settings = self.cx.config.ingest.clone();
        let mut any = false;
        loop {
            let above = adapter.feed_after(source.read_to, settings.pull_rows_max).await?;
            let full = above.len() >= settings.pull_rows_max as usize;
            // Asked for after the rows above, and put before them: whatever a row above came after in its record was
            // committed before that row was written, so that it is found by now. The other way round a record's
            // second write could get into the log before its first.
            let mut below = self.read_gaps(adapter, &source).await?;
            below.retain(|row| source.gaps.iter().any(|gap| gap.id == row.id));
            let found: BTreeSet<i64> = below.iter().map(|row| row.id).collect();
            let mut closed = gaps::settled(&source.gaps, &found, finished_before);
            closed.extend(&found);
            let room = settings.gaps_max.saturating_sub(source.gaps.len().saturating_sub(closed.len()));
            let ids: Vec<i64> = above.iter().map(|row| row.id).collect();
            let may_cross = self.hole.is_some_and(|(at, seen)| at == source.read_to && seen < finished_before);
            let bounds = gaps::Bounds { room, cleaned_to: self.cleaned_to, may_cross };
            let step = gaps::advance(source.read_to, &ids, bounds);
            self.note_hole(&step);
            if step.held_back {
                tracing::warn!(
                    system.id = %self.system.system_id,
                    open_gaps = source.gaps.len(),
                    "too many missing event ids: reading waits"
                );
            }
            let got_on = step.read_to > source.read_to;
            any |= got_on || !found.is_empty();
            if got_on || !closed.is_empty() {
                let rows = below.into_iter().chain(above.into_iter().filter(|row| row.id <= step.read_to)).collect();
                let (opened, read_to) = (step.opened, step.read_to);
                let progress = SourceProgress {
                    system: self.system.key,
                    epoch: source.epoch,
                    read_to,
                    gaps_opened: opened,
                    gaps_closed: closed,
                };
                self.save(&source, rows, progress, owners).await?;
                source = self.source().await?;
            }
            if !got_on || step.held_back || !full {
                let looked = match (step.held_back, any) {
                    (true, _) => Looked::HeldBack,
                    (false, true) => Looked::Changes,
                    (false, false) => Looked::Nothing,
                };
                return Ok(Some((source, looked)));
            }
            // A long backlog can take longer than the lease holds.
            if !leader::keep_lease(self.cx, &mut self.lease).await? {
                return Ok(None);
            }
        }
    }

    /// Remembers since when a hole holds the reading back.
    fn note_hole(&mut self, step: &gaps::Advance) {
        self.hole = match self.hole {
            _ if !step.held_back => None,
            Some((at, seen)) if at == step.read_to => Some((at, seen)),
            _ => Some((step.read_to, self.cx.clock.now())),
        };
    }

    /// Those of the missing ids that have appeared, in their order.
    ///
    /// The highest are asked for first: what they tell of a record came after what lower ids tell, which is therefore
    /// found as well, also where a transaction commits between two calls.
    async fn read_gaps(&self, adapter: &Arc<dyn Adapter>, source: &SourceState) -> Result<Vec<FeedEvent>, Problem> {
        let mut ids: Vec<i64> = source.gaps.iter().map(|gap| gap.id).collect();
        ids.sort_unstable();
        let mut found = Vec::new();
        for asked in ids.chunks(self.cx.config.ingest.pull_rows_max.max(1) as usize).rev() {
            found.extend(adapter.feed_by_ids(asked).await?);
        }
        found.sort_by_key(|row| row.id);
        Ok(found)
    }

    /// Appends rows and saves how far the reading has come, in one transaction.
    async fn save(
        &self,
        source: &SourceState,
        rows: Vec<FeedEvent>,
        progress: SourceProgress,
        owners: &ModelOwners,
    ) -> Result<(), Problem> {
        let system = self.system.key;
        let mut batch = Append { progress: Some(progress), fence: Some(self.lease.fence()), ..Append::default() };
        let mut others = BTreeSet::new();
        for row in rows {
            match row.event {
                Ok(event) if pipeline::tracked(&self.cx.config.ingest.untracked_models, &event.model) => {
                    if owners.takes_from_addon(&event.model, event.event) {
                        batch.changes.push(self.change(source, event));
                    } else if let Some(owner) = owners.owner(&event.model) {
                        others.insert((owner, event.model));
                    }
                }
                Ok(_) => {}
                Err(reason) => batch.dead_letters.push(NewDeadLetter {
                    system: Some(system),
                    origin: Origin::Pull,
                    source_id: Some(SourceId::from(row.id)),
                    reason,
                    body: row.raw.to_string().into_bytes(),
                }),
            }
        }
        pipeline::append(self.cx, self.system.tenant, batch).await?;
        for (owner, model) in &others {
            self.cx.hub.nudge_for(system, *owner, model);
        }
        Ok(())
    }

    fn change(&self, source: &SourceState, event: bridge_erp::ErpEvent) -> NewChange {
        let bytes_max = self.cx.config.ingest.payload_bytes_max;
        pipeline::change_of(self.system.key, source.epoch, Origin::Pull, event, bytes_max)
    }
}

/// The name of the life that the table is in, if it is another than the one that was read so far. `info` must have
/// been asked for after `source` was read, or must not be newer than what was read since.
fn new_life(source: &SourceState, info: &FeedInfo) -> Option<String> {
    let Some(known) = &source.identity else { return Some(info.identity.clone()) };
    if !life::is_same(known, &info.identity) {
        return Some(info.identity.clone());
    }
    // A database can be put back to an earlier state in its place, with all its names. Rows are cleaned away from the
    // lowest id on, so that the highest one only goes back when the whole table does; an empty table says nothing.
    let went_back = info.newest_id > 0 && info.newest_id < source.read_to;
    went_back.then(|| life::next(known, &info.identity))
}

/// Before which moment (by our clock) a transaction must have begun to have ended by the time the answer was given.
fn finished_before(cx: &Context, asked_at: Timestamp, info: &FeedInfo) -> Timestamp {
    let oldest = match info.oldest_transaction_ms {
        Some(age_ms) => ms(age_ms) + AGE_MARGIN,
        None => ms(cx.config.ingest.transaction_age_max_ms),
    };
    asked_at.minus(oldest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_erp::FeedKind;

    #[test]
    fn a_new_life_is_told_by_its_name_or_by_ids_that_start_over() {
        let source = |identity: Option<&str>, read_to| SourceState {
            identity: identity.map(str::to_owned),
            read_to,
            ..SourceState::default()
        };
        let info = |identity: &str, newest_id| FeedInfo {
            kind: FeedKind::AutoWebhook,
            identity: identity.to_owned(),
            newest_id,
            oldest_transaction_ms: None,
            covers: None,
            cleaned_to: 0,
        };
        for (known, read_to, told, newest_id, expected) in [
            (None, 0, "a/u", 9, Some("a/u")),
            (Some("a/u"), 9, "a/u", 9, None),
            (Some("a/u"), 9, "a/u", 12, None),
            // A push came first and told less.
            (Some("a"), 0, "a/u", 9, None),
            // Cleaned out, which is no new life.
            (Some("a/u"), 9, "a/u", 0, None),
            // Put back in its place.
            (Some("a/u"), 9, "a/u", 8, Some("a/u#1")),
            (Some("a/u#1"), 9, "a/u", 8, Some("a/u#2")),
            (Some("a/u#1"), 8, "a/u", 8, None),
            (Some("a/u"), 9, "a/v", 12, Some("a/v")),
        ] {
            let found = new_life(&source(known, read_to), &info(told, newest_id));
            assert_eq!(found.as_deref(), expected, "{known:?} {read_to} {told} {newest_id}");
        }
    }
}
