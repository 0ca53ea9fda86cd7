//! The log of a system's database: whether it can be read, is read, and what that costs the server.

use super::code::{Check, Code};
use super::database::Patient;
use super::finding::{Finding, Findings};
use super::service;
use crate::cli::words;
use bridge_erp::odoo::database::standing::{self, Room, Standing};
use bridge_erp::odoo::database::wal::install::{Present, SLOT_PREFIX, present};
use bridge_erp::odoo::database::wal::slot::{self, Slot};
use bridge_model::Strategy;
use std::collections::BTreeSet;

/// Looks for slots of ours that nobody needs, in the whole server, and notes those that there are.
pub(super) async fn examine_slots(
    patient: &Patient<'_>,
    findings: &mut Findings,
    seen: &mut BTreeSet<String>,
) -> Result<(), String> {
    let version = patient.standing.version;
    let found = slot::slots_of_server(patient.database, version, SLOT_PREFIX).await;
    for (database, slot) in found.map_err(|error| words::trouble(&error))? {
        seen.insert(slot.name.clone());
        // One that is read by another program is that program's.
        if patient.cx.slots.contains(&slot.name) || slot.active_pid.is_some() {
            continue;
        }
        let kept = words::bytes(slot.retained_bytes);
        let deleted = patient.cx.left.iter().find(|left| left.slot == slot.name);
        let (code, why) = match deleted {
            Some(left) => (Code::SlotOfDeleted, format!("the system {} was deleted", left.system_id)),
            None => (Code::SlotLeft, "it belongs to no system that is registered here".to_owned()),
        };
        let told = format!("{kept} of the log are kept for the slot {} of the database {database}: {why}", slot.name);
        let finding = Finding::new(Check::Wal, code, told).with("slot", slot.name).with("database", database);
        findings.add(finding.with("retained_bytes", slot.retained_bytes));
    }
    Ok(())
}

/// What is known of the reading of a log.
struct Facts {
    standing: Standing,
    room: Room,
    present: Present,
    /// The slot that is read through, as our store has it.
    slot: Option<String>,
    /// How many models are to be seen this way.
    models: usize,
    /// Their tables that are not published.
    unpublished: Vec<String>,
    /// What `wal.retained_bytes_alarm` says.
    retained_alarm: u64,
}

/// Looks at the reading of the log. The error is what kept it from being looked at.
pub(super) async fn examine(patient: &Patient<'_>, findings: &mut Findings) -> Result<(), String> {
    let (cx, system) = (patient.cx, patient.system);
    let present =
        present(patient.database, &cx.config.wal.publication).await.map_err(|error| words::trouble(&error))?;
    let models = patient.models_of(Strategy::Wal);
    let place = cx.store.wal_place(system.tenant, system.key).await.map_err(|error| service::causes(&error))?;
    let slot = place.map(|place| place.slot).filter(|slot| !slot.is_empty());
    let is_there = slot.as_ref().is_some_and(|name| present.slots.iter().any(|slot| slot.name == *name));
    if present.publication.is_none() && models.is_empty() && !is_there {
        if findings.0.iter().all(|finding| finding.check != Check::Wal) {
            findings.fine(Check::Wal, "not installed");
        }
        return Ok(());
    }
    let members = present.publication.as_ref().map(|publication| &publication.members);
    let is_published = |table: &str| members.is_some_and(|members| members.contains_key(table));
    let tables: BTreeSet<&str> = models.iter().filter_map(|model| model.found.table_name.as_deref()).collect();
    let facts = Facts {
        standing: patient.standing.clone(),
        room: standing::room(patient.database).await.map_err(|error| words::trouble(&error))?,
        slot,
        models: models.len(),
        unpublished: tables.into_iter().filter(|table| !is_published(table)).map(str::to_owned).collect(),
        retained_alarm: cx.config.wal.retained_bytes_alarm,
        present,
    };
    let complaints = judge(&facts);
    if complaints.is_empty() && findings.0.iter().all(|finding| finding.check != Check::Wal) {
        findings.fine(Check::Wal, in_order(&facts));
    }
    for (code, seen) in complaints {
        let slot = facts.slot.clone().unwrap_or_default();
        findings.add(patient.finding(Check::Wal, code, seen).with("slot", slot));
    }
    Ok(())
}

/// What is said when nothing is wrong.
fn in_order(facts: &Facts) -> String {
    let members = facts.present.publication.as_ref().map_or(0, |publication| publication.members.len());
    let published = words::count(members, "table is", "tables are");
    let kept = our_slot(facts).map_or("no slot yet".to_owned(), |slot| {
        format!("{} of the log are kept for the slot {}", words::bytes(slot.retained_bytes), slot.name)
    });
    format!("{published} published, {} seen this way, {kept}", words::count(facts.models, "model is", "models are"))
}

fn our_slot(facts: &Facts) -> Option<&Slot> {
    let name = facts.slot.as_deref()?;
    facts.present.slots.iter().find(|slot| slot.name == name)
}

/// What is wrong, each with what was seen.
fn judge(facts: &Facts) -> Vec<(Code, String)> {
    let Facts { standing, room, present, slot, models, unpublished, retained_alarm } = facts;
    let mut found = Vec::new();
    let is_used = *models > 0;
    // Where nobody reads, nothing is needed for it.
    let is_needed = is_used || our_slot(facts).is_some();
    let wanted = words::count(*models, "model is", "models are");
    if is_needed && standing.is_standby {
        found.push((Code::WalStandby, "the server follows another".to_owned()));
    }
    let level = &present.server.wal_level;
    if is_needed && level != "logical" {
        found.push((Code::WalLevel, format!("wal_level is {level}")));
    }
    if is_needed && !standing.may_replicate {
        found.push((Code::WalRole, format!("the role {} lacks REPLICATION", standing.role)));
    }
    match &present.publication {
        None if is_used => {
            found.push((Code::WalPublicationMissing, format!("there is none, and {wanted} to be seen this way")));
        }
        None => {}
        Some(publication) => {
            if let Some(fault) = publication.fault {
                found.push((Code::WalPublicationFault, fault.to_owned()));
            }
            if !publication.refused.is_empty() {
                let tables = publication.refused.iter().map(|(table, reason)| format!("{table}: {reason}"));
                let seen = format!("it holds tables that it should not: {}", words::list(tables));
                found.push((Code::WalPublicationFault, seen));
            }
            if !unpublished.is_empty() {
                let count = words::count(unpublished.len(), "table is", "tables are");
                found.push((Code::WalTables, format!("{count} not published: {}", words::list(unpublished))));
            }
        }
    }
    match (our_slot(facts), slot) {
        (Some(slot), _) => judge_slot(slot, *retained_alarm, is_used, present.server.slot_keep_mb, &mut found),
        (None, Some(name)) if is_used => {
            found.push((Code::WalSlotMissing, format!("there is no slot {name} any more")));
        }
        (None, _) if is_used && (room.slots >= room.slots_max || room.senders >= room.senders_max) => {
            let seen = format!(
                "{} of {} replication slots and {} of {} WAL senders are taken",
                room.slots, room.slots_max, room.senders, room.senders_max
            );
            found.push((Code::WalNoSlot, seen));
        }
        (None, _) => {}
    }
    found
}

fn judge_slot(
    slot: &Slot,
    retained_alarm: u64,
    is_used: bool,
    server_keeps_mb: Option<i64>,
    found: &mut Vec<(Code, String)>,
) {
    let kept = format!("{} of the log are kept for the slot {}", words::bytes(slot.retained_bytes), slot.name);
    if slot.is_lost {
        found.push((Code::WalSlotLost, format!("the slot {} has lost its log", slot.name)));
        return;
    }
    if slot.active_pid.is_none() {
        let why = if is_used { "nobody reads" } else { "nobody reads, and no model is to be seen this way" };
        found.push((Code::WalUnread, format!("{why}; {kept}")));
    }
    if slot.retained_bytes > retained_alarm {
        found.push((Code::WalRetained, format!("{kept}, the alarm is at {}", words::bytes(retained_alarm))));
    }
    if server_keeps_mb.is_none() {
        found.push((Code::WalUnbounded, format!("max_slot_wal_keep_size has no end; {kept}")));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_erp::odoo::database::wal::Lsn;
    use bridge_erp::odoo::database::wal::publication::{Publication, TableName};
    use bridge_erp::odoo::database::wal::slot::Server;
    use bridge_model::Timestamp;

    /// Breaks something.
    type Change = fn(&mut Facts);

    /// Somebody reads, and everything is as it should be.
    fn good() -> Facts {
        let slot = Slot {
            name: "bridgecore_1_ab".to_owned(),
            active_pid: Some(7),
            active_name: None,
            confirmed: Lsn::default(),
            retained_bytes: 1 << 20,
            is_lost: false,
        };
        let server = Server {
            version: 150_004,
            wal_level: "logical".to_owned(),
            is_standby: false,
            database: 5,
            end: Lsn::default(),
            slot_keep_mb: Some(1_024),
        };
        Facts {
            standing: Standing {
                version: 150_004,
                is_standby: false,
                clock: Timestamp::default(),
                role: "bridgecore_wal".to_owned(),
                is_superuser: false,
                may_replicate: true,
            },
            room: Room { slots: 1, slots_max: 10, senders: 1, senders_max: 10 },
            present: Present { server, publication: Some(Publication::default()), slots: vec![slot] },
            slot: Some("bridgecore_1_ab".to_owned()),
            models: 3,
            unpublished: Vec::new(),
            retained_alarm: 1 << 30,
        }
    }

    #[test]
    fn what_a_test_server_can_not_be_made_to_show_is_judged_all_the_same() {
        assert!(judge(&good()).is_empty());
        let codes = |change: &dyn Fn(&mut Facts)| {
            let mut facts = good();
            change(&mut facts);
            judge(&facts).into_iter().map(|(code, _)| code).collect::<Vec<_>>()
        };
        let cases: [(Change, Code); 12] = [
            (|facts| facts.present.server.wal_level = "replica".to_owned(), Code::WalLevel),
            (|facts| facts.standing.is_standby = true, Code::WalStandby),
            (|facts| facts.standing.may_replicate = false, Code::WalRole),
            (|facts| facts.present.publication = None, Code::WalPublicationMissing),
            (|facts| facts.unpublished.push("sale_order".to_owned()), Code::WalTables),
            (
                |facts| {
                    let keyless = TableName { schema: "public".to_owned(), table: "keyless".to_owned() };
                    let refused = [(keyless, "it has no key")].into();
                    facts.present.publication = Some(Publication { refused, ..Publication::default() });
                },
                Code::WalPublicationFault,
            ),
            (|facts| facts.present.slots.clear(), Code::WalSlotMissing),
            (|facts| facts.present.slots[0].is_lost = true, Code::WalSlotLost),
            (|facts| facts.present.slots[0].active_pid = None, Code::WalUnread),
            (|facts| facts.present.slots[0].retained_bytes = 2 << 30, Code::WalRetained),
            (|facts| facts.present.server.slot_keep_mb = None, Code::WalUnbounded),
            (
                |facts| {
                    facts.slot = None;
                    facts.room.slots = 10;
                },
                Code::WalNoSlot,
            ),
        ];
        for (change, code) in cases {
            assert_eq!(codes(&change), [code]);
        }
    }

    #[test]
    fn a_slot_that_does_not_exist_yet_is_no_loss() {
        let first_start = Facts { slot: None, ..good() };
        assert!(judge(&first_start).is_empty());
        let unused = Facts { models: 0, ..good() };
        assert!(judge(&unused).is_empty(), "it is about to be dropped by its reader");
        let mut published = Facts { models: 0, slot: None, ..good() };
        published.present.slots.clear();
        published.standing.may_replicate = false;
        assert!(judge(&published).is_empty(), "what nobody uses needs no rights");
    }
}
