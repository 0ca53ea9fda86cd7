//! Reading the log of an ERP's database in the background.
//!
//! A session finds the slot or makes one ([`prepare`]), reads through it ([`follow`]) and watches what that costs the
//! database ([`watch`]). What is read is appended together with how far the reading has come, and only then is the
//! database told that it may forget.

mod follow;
mod prepare;
mod status;
mod taken;
mod watch;

pub use status::{WalReaders, WalState, WalStatus};

use super::ReaderState;
use super::{leader, pipeline};
use crate::alerts;
use crate::backoff::backoff;
use crate::config::ms;
use crate::context::Context;
use crate::detection::{self, ModelOwners};
use crate::erps::parse_connection;
use crate::problem::Problem;
use bridge_erp::odoo::database::wal::slot::{self, IN_USE};
use bridge_erp::odoo::database::{Database, DatabaseError, DatabaseErrorKind, DatabaseOptions};
use bridge_model::{Epoch, ModelName, NewChange, Origin, Strategy};
use bridge_store::{Append, Appended, Fence, Lease, System, WalPlace, WalProgress};
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The pause while there is nothing to read, besides at each signal.
const IDLE_INTERVAL: Duration = Duration::from_secs(10);

/// The shortest pause after a failure.
const PAUSE_MIN: Duration = Duration::from_millis(100);

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ended {
    /// There is nothing to read.
    NothingToRead,
    /// Somebody else leads now.
    LeaseLost,
    /// The ERP's database keeps more for us than it may.
    TooMuchRetained,
    /// The database does not tell what it told before: it was put back to an earlier state, or its list of tables was
    /// made anew.
    AnotherHistory,
}

/// Reads until `stop`, or until the lease is lost. Answers the lease.
pub(super) async fn read_while_leading(cx: &Context, system: &System, lease: Lease, stop: &CancellationToken) -> Lease {
    let wake_up = cx.hub.reader(system.key, Strategy::Wal);
    let mut failures = 0_u32;
    loop {
        let led = async {
            tokio::select! {
                ended = session(cx, system, &lease) => ended,
                () = leader::lose_lease(cx, lease.clone()) => Ok(Ended::LeaseLost),
            }
        };
        let ended = tokio::select! {
            () = stop.cancelled() => break,
            ended = led => ended,
        };
        if matches!(ended, Ok(Ended::LeaseLost)) {
            forget(cx, system);
            return lease;
        }
        let idle = matches!(ended, Ok(Ended::NothingToRead));
        let pause = match ended {
            Ok(Ended::NothingToRead) => {
                forget(cx, system);
                failures = 0;
                IDLE_INTERVAL.min(ms(cx.config.ingest.lease_ms) / 3)
            }
            Ok(_) => Duration::ZERO,
            Err(problem) => {
                // Once it has read, what is wrong now is a new failure.
                let was_reading =
                    cx.wal_readers.get(system.key).is_some_and(|status| status.state == WalState::Running);
                failures = if was_reading { 1 } else { failures.saturating_add(1) };
                fail(cx, system, &problem, failures).await;
                backoff(&*cx.entropy, failures, PAUSE_MIN, ms(cx.config.wal.backoff_max_ms))
            }
        };
        tokio::select! {
            () = stop.cancelled() => break,
            () = leader::lose_lease(cx, lease.clone()) => return lease,
            () = wake_up.woken(), if idle => {}
            () = tokio::time::sleep(pause) => {}
        }
    }
    let leaving = tokio::time::timeout(LEAVE_WAIT, leave(cx, system, &lease));
    let left = leaving.await.unwrap_or_else(|_| Err(DatabaseError::new(DatabaseErrorKind::Timeout, TOO_SLOW).into()));
    if let Err(problem) = left {
        tracing::warn!(
            system.id = %system.system_id,
            causes = %problem.causes(),
            "drop the slot of a deleted system, which keeps its database's log; `bridgecore doctor` names it: {}",
            cx.texts.english(&problem.message)
        );
    }
    lease
}

/// How long the database of a deleted system is waited for; the changes of other systems' settings wait behind it.
const LEAVE_WAIT: Duration = Duration::from_secs(10);
const TOO_SLOW: &str = "the database did not answer in time";

/// Drops the slot of a system that was deleted: nobody else would, and it keeps its database's log for ever. That of
/// one that is only not read any more stays, since reading may go on from there.
async fn leave(cx: &Context, system: &System, lease: &Lease) -> Result<(), Problem> {
    if cx.store.system_by_key(system.tenant, system.key).await?.is_some() {
        return Ok(());
    }
    let url = parse_connection(&system.connection)?.postgres_url;
    let place = cx.store.wal_place(system.tenant, system.key).await?;
    let (Some(url), Some(place)) = (url, place) else { return Ok(()) };
    Work { cx, system, fence: lease.fence(), url }.let_go(place).await
}

fn forget(cx: &Context, system: &System) {
    cx.wal_readers.forget(system.key);
    cx.readers.forget(system.key, Strategy::Wal);
}

async fn fail(cx: &Context, system: &System, problem: &Problem, failures: u32) {
    let message = cx.texts.english(&problem.message);
    tracing::warn!(
        system.id = %system.system_id,
        tenant.id = system.tenant.0,
        failures,
        causes = %problem.causes(),
        "read the database's log: {message}"
    );
    cx.wal_readers.update(system.key, |status| {
        status.state = WalState::Failing;
        status.last_error = Some(message.clone());
    });
    cx.readers.update(system.key, Strategy::Wal, |status| {
        status.state = ReaderState::Failing;
        status.last_error = Some(message.clone());
    });
    alerts::source_failed(cx, system, Strategy::Wal, problem, failures);
    detection::failed(cx, system, Strategy::Wal, &message).await;
}

/// One connection's worth of reading.
async fn session(cx: &Context, system: &System, lease: &Lease) -> Result<Ended, Problem> {
    let Some(url) = parse_connection(&system.connection)?.postgres_url else { return Ok(Ended::NothingToRead) };
    let owners = detection::owners(cx, system).await?;
    let place = cx.store.wal_place(system.tenant, system.key).await?;
    let work = Work { cx, system, fence: lease.fence(), url };
    if owners.models_of(Strategy::Wal).is_empty() {
        if let Some(place) = place {
            work.let_go(place).await?;
        }
        return Ok(Ended::NothingToRead);
    }
    let prepared = prepare::prepare(&work, place, owners).await?;
    let slot = prepared.place.slot.clone();
    let ended = tokio::select! {
        ended = follow::follow(&work, prepared) => ended?,
        ended = watch::watch(&work, &slot) => ended?,
    };
    let place = cx.store.wal_place(system.tenant, system.key).await?;
    match (ended, place) {
        (Ended::TooMuchRetained | Ended::NothingToRead, Some(place)) => work.let_go(place).await?,
        (Ended::AnotherHistory, Some(place)) => work.save(WalPlace { life: String::new(), ..place }).await?,
        _ => {}
    }
    Ok(ended)
}

/// What every step of a session works with.
struct Work<'a> {
    cx: &'a Context,
    system: &'a System,
    /// Proves to our store that we lead.
    fence: Fence,
    /// The database.
    url: String,
}

impl Work<'_> {
    /// A connection for questions, on which a statement may take `timeout`.
    async fn connect(&self, name: &str, timeout: Duration) -> Result<Database, DatabaseError> {
        let options = DatabaseOptions {
            application_name: name.to_owned(),
            connect_timeout_ms: self.cx.config.erp.connect_timeout_ms,
            statement_timeout_ms: u64::try_from(timeout.as_millis()).unwrap_or(u64::MAX),
            outbound: self.cx.erps.outbound().clone(),
        };
        Database::connect(&self.url, &options).await
    }

    /// The same with the usual time-out.
    async fn ask(&self) -> Result<Database, DatabaseError> {
        self.connect("bridgecore wal", ms(self.cx.config.erp.call_timeout_ms)).await
    }

    /// Removes the slot, so that the database keeps nothing for us. Reading begins anew after it.
    async fn let_go(&self, place: WalPlace) -> Result<(), Problem> {
        if place.slot.is_empty() {
            return Ok(());
        }
        self.remove_slot(&self.ask().await?, &place.slot).await?;
        tracing::info!(system.id = %self.system.system_id, slot = place.slot, "the slot was removed");
        self.save(WalPlace { slot: String::new(), life: String::new(), ..place }).await
    }

    /// Removes a slot of ours, also if a connection that we have lost still holds it.
    async fn remove_slot(&self, database: &Database, name: &str) -> Result<(), DatabaseError> {
        let mut tries = 0;
        loop {
            match slot::remove(database, name).await {
                Err(error) if error.sql_state.as_deref() == Some(IN_USE) && tries < END_TRIES => {
                    tries += 1;
                    slot::end_reader(database, name, name).await?;
                    tokio::time::sleep(END_WAIT).await;
                }
                outcome => return outcome,
            }
        }
    }

    async fn save(&self, place: WalPlace) -> Result<(), Problem> {
        self.append(Vec::new(), place).await.map(drop)
    }

    async fn append(&self, changes: Vec<NewChange>, place: WalPlace) -> Result<Appended, Problem> {
        self.append_all(Append { changes, ..Append::default() }, place).await
    }

    async fn append_all(&self, batch: Append, place: WalPlace) -> Result<Appended, Problem> {
        let wal = Some(WalProgress { system: self.system.key, place });
        let batch = Append { wal, fence: Some(self.fence.clone()), ..batch };
        pipeline::append(self.cx, self.system.tenant, batch).await
    }

    /// 'Everything of these models may have changed', of those that the reader of the log is in charge of or is taking
    /// over: of the latter it may have said already that nothing of theirs escapes it.
    fn resets<'m>(
        &self,
        owners: &ModelOwners,
        models: impl IntoIterator<Item = &'m ModelName>,
        cause: &str,
    ) -> Vec<NewChange> {
        let ours = models.into_iter().filter(|model| {
            owners.takes(model, Strategy::Wal) && pipeline::tracked(&self.cx.config.ingest.untracked_models, model)
        });
        let resets = pipeline::resets(self.system.key, Epoch::default(), ours.cloned(), cause, self.cx.clock.now());
        resets.into_iter().map(|reset| NewChange { origin: Origin::Wal, ..reset }).collect()
    }
}

/// How often a process that holds our slot is asked to end, and how long it is waited for each time.
const END_TRIES: u32 = 50;
const END_WAIT: Duration = Duration::from_millis(100);
