//! Finding the slot, or making one: after this, everything that is committed in the ERP's database will be read.

use super::{WalState, Work};
use crate::alerts;
use crate::config::ms;
use crate::detection::ModelOwners;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_erp::odoo::database::wal::install::SLOT_PREFIX;
use bridge_erp::odoo::database::wal::publication::{self, Publication};
use bridge_erp::odoo::database::wal::slot::{self, Server, Slot};
use bridge_erp::odoo::database::wal::{Lsn, Target};
use bridge_erp::odoo::database::{Database, TableMap};
use bridge_model::Strategy;
use bridge_store::{AlertKind, AlertSubject, WalPlace};
use serde_json::json;
use std::sync::Arc;

/// Everything that the reading needs.
pub(super) struct Prepared {
    pub(super) database: Database,
    pub(super) target: Target,
    pub(super) place: WalPlace,
    /// Nothing that was committed before this place comes again.
    pub(super) resent_from: Lsn,
    pub(super) owners: Arc<ModelOwners>,
    pub(super) tables: TableMap,
}

/// Looks at the database, and where the slot is not the one that was read through, makes another one and says that
/// everything may have changed.
pub(super) async fn prepare(
    work: &Work<'_>,
    place: Option<WalPlace>,
    owners: Arc<ModelOwners>,
) -> Result<Prepared, Problem> {
    let config = &work.cx.config;
    let database = work.ask().await?;
    let server = slot::server(&database).await?;
    let published = check(work, &database, &server).await?;
    let name = match &place {
        Some(place) if !place.slot.is_empty() => place.slot.clone(),
        _ => format!("{SLOT_PREFIX}{}_{}", work.system.key, work.cx.entropy.hex(4)),
    };
    let (connect_timeout, sender_timeout) = (ms(config.erp.connect_timeout_ms), ms(config.wal.sender_timeout_ms));
    let outbound = work.cx.erps.outbound().clone();
    let target = Target::new(&work.url, &name, connect_timeout, sender_timeout, outbound)?;
    let life = slot::life(&target, &server).await?;
    let found = slot::slots(&database, server.version, &name).await?.into_iter().find(|slot| slot.name == name);
    let tables = TableMap::read(&database).await?;
    let place = match place {
        Some(place) => match obstacle(&place, &life, &server, found.as_ref()) {
            None => place,
            Some(reason) => {
                tracing::warn!(
                    system.id = %work.system.system_id,
                    reason,
                    "the database's log can't be read on: everything may have changed"
                );
                let (subject, facts) = (AlertSubject::System(work.system.key), json!({ "reason": reason }));
                alerts::raise(work.cx, AlertKind::WalLost, subject, facts, 1).await;
                begin_anew(work, &database, (name, life), published, &owners).await?
            }
        },
        None => begin_anew(work, &database, (name, life), published, &owners).await?,
    };
    work.cx.wal_readers.update(work.system.key, |status| {
        status.slot = Some(place.slot.clone());
        status.server_keeps_bytes =
            server.slot_keep_mb.and_then(|megabytes| u64::try_from(megabytes).ok()).map(|megabytes| megabytes << 20);
    });
    // A slot that was made now has nothing from before.
    let resent_from = found.map_or(read_to(&place), |slot| slot.confirmed);
    Ok(Prepared { database, target, place, resent_from, owners, tables })
}

/// What must be so before anything can be read.
async fn check(work: &Work<'_>, database: &Database, server: &Server) -> Result<Publication, Problem> {
    let refused = |message: Message| Problem::new(ProblemKind::ErpFailed, message);
    if server.is_standby {
        return Err(refused(Message::wal_of_standby()));
    }
    if server.wal_level != "logical" {
        return Err(refused(Message::wal_level_too_low(&server.wal_level)));
    }
    let name = &work.cx.config.wal.publication;
    let publication = publication::find(database, name).await?;
    let publication = publication.ok_or_else(|| refused(Message::wal_publication_missing(name)))?;
    match publication.fault {
        Some(fault) => Err(refused(Message::wal_publication_unusable(name, fault))),
        None => Ok(publication),
    }
}

/// Why reading can't go on from where it stands.
fn obstacle(place: &WalPlace, life: &str, server: &Server, slot: Option<&Slot>) -> Option<&'static str> {
    let read_to = read_to(place);
    let same_life = place.life.strip_prefix(life).is_some_and(|rest| rest.starts_with('.'));
    match slot {
        _ if !same_life => Some("the database was restored, or another server took over"),
        _ if server.end < read_to => Some("the database was put back to an earlier state"),
        None => Some("the slot is gone"),
        Some(slot) if slot.is_lost => Some("the database has dropped the log that the slot needs"),
        // It was made anew under its name, or somebody else has read through it.
        Some(slot) if slot.confirmed > read_to => Some("the slot has passed what was read"),
        Some(_) => None,
    }
}

/// Makes a slot, and only then says that everything of our models may have changed: whatever is committed after the
/// slot is read through it, and whatever was before is covered.
async fn begin_anew(
    work: &Work<'_>,
    database: &Database,
    (name, life): (String, String),
    published: Publication,
    owners: &ModelOwners,
) -> Result<WalPlace, Problem> {
    let (cx, system) = (work.cx, work.system);
    cx.wal_readers.update(system.key, |status| status.state = WalState::MakingSlot);
    work.remove_slot(database, &name).await?;
    // Until the new slot is known to have been made, nothing may be read on from the old place.
    let nowhere = WalPlace { slot: name.clone(), ..WalPlace::default() };
    work.save(nowhere).await?;
    let patient = work.connect("bridgecore wal", ms(cx.config.wal.slot_wait_ms)).await?;
    let from = slot::create(&patient, &name).await?;
    let place = WalPlace {
        slot: name,
        life: format!("{life}.{from}"),
        read_to: i64::try_from(from.0).unwrap_or(i64::MAX),
        published: published.members,
    };
    let mut resets = work.resets(owners, owners.models_of(Strategy::Wal), &place.life);
    let last = resets.split_off(resets.len().saturating_sub(cx.config.wal.batch_rows_max));
    let mut resets = resets.into_iter().peekable();
    while resets.peek().is_some() {
        let batch = resets.by_ref().take(cx.config.wal.batch_rows_max).collect();
        let unfinished = WalPlace { life: String::new(), ..place.clone() };
        work.append(batch, unfinished).await?;
    }
    work.append(last, place.clone()).await?;
    cx.metrics.wal_reconciles.inc();
    tracing::info!(system.id = %system.system_id, slot = place.slot, life = place.life, "reading the log begins");
    Ok(place)
}

/// Everything that was committed before this place is in our log.
pub(super) fn read_to(place: &WalPlace) -> Lsn {
    Lsn(u64::try_from(place.read_to).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> WalPlace {
        WalPlace { slot: "s".into(), life: "7.1.5.0/64".into(), read_to: 1_000, ..WalPlace::default() }
    }

    fn server(end: u64) -> Server {
        Server {
            version: 150_000,
            wal_level: "logical".into(),
            is_standby: false,
            database: 5,
            end: Lsn(end),
            slot_keep_mb: None,
        }
    }

    fn slot(confirmed: u64, is_lost: bool) -> Slot {
        let confirmed = Lsn(confirmed);
        Slot { name: "s".into(), active_pid: None, active_name: None, confirmed, retained_bytes: 0, is_lost }
    }

    #[test]
    fn reading_goes_on_only_in_the_same_life_and_from_a_slot_that_has_everything() {
        let found = |life, end, slot: Option<Slot>| obstacle(&place(), life, &server(end), slot.as_ref());
        assert_eq!(found("7.1.5", 2_000, Some(slot(900, false))), None);
        assert_eq!(found("7.1.5", 1_000, Some(slot(1_000, false))), None);
        for (life, end, slot, part) in [
            ("7.2.5", 2_000, Some(slot(900, false)), "restored"),
            ("7.1.6", 2_000, Some(slot(900, false)), "restored"),
            ("7.1.50", 2_000, Some(slot(900, false)), "restored"),
            ("7.1.5", 999, Some(slot(900, false)), "earlier state"),
            ("7.1.5", 2_000, None, "is gone"),
            ("7.1.5", 2_000, Some(slot(900, true)), "dropped"),
            ("7.1.5", 2_000, Some(slot(1_001, false)), "passed"),
        ] {
            let reason = found(life, end, slot).unwrap();
            assert!(reason.contains(part), "{life} {end}: {reason}");
        }
    }
}
