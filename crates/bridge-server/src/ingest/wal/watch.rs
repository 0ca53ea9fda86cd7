//! What reading the log costs the ERP's database: how much of the log it keeps for us.
//!
//! It has a connection of its own and goes on while the store is slow: that is when the log grows.

use super::{Ended, Work};
use crate::alerts;
use crate::config::ms;
use crate::problem::Problem;
use bridge_erp::odoo::database::wal::slot;
use bridge_store::{AlertKind, AlertSubject};
use serde_json::json;

/// Looks at the slot from time to time, until it holds back more than it may.
pub(super) async fn watch(work: &Work<'_>, name: &str) -> Result<Ended, Problem> {
    let (cx, system) = (work.cx, work.system);
    let config = &cx.config.wal;
    let database = work.ask().await?;
    let mut alarmed = false;
    loop {
        let server = slot::server(&database).await?;
        let slots = slot::slots(&database, server.version, name).await?;
        // A slot that is gone is noticed by who reads through it.
        if let Some(slot) = slots.iter().find(|slot| slot.name == name) {
            let retained = slot.retained_bytes;
            let alarm = retained > config.retained_bytes_alarm;
            cx.wal_readers.update(system.key, |status| {
                status.lag_bytes = Some(server.end.bytes_since(slot.confirmed));
                status.retained_bytes = Some(retained);
                status.retained_alarm = alarm;
            });
            if alarm && !alarmed {
                tracing::warn!(
                    system.id = %system.system_id,
                    tenant.id = system.tenant.0,
                    slot = name,
                    retained_bytes = retained,
                    "the ERP's database keeps more of its log for us than wal.retained_bytes_alarm"
                );
            }
            alarmed = alarm;
            if config.retained_bytes_max > 0 && retained > config.retained_bytes_max {
                tracing::error!(
                    system.id = %system.system_id,
                    tenant.id = system.tenant.0,
                    slot = name,
                    retained_bytes = retained,
                    "the ERP's database keeps more of its log for us than wal.retained_bytes_max: the slot is dropped"
                );
                let facts = json!({ "reason": "wal.retained_bytes_max was reached" });
                alerts::raise(cx, AlertKind::WalLost, AlertSubject::System(system.key), facts, 1).await;
                return Ok(Ended::TooMuchRetained);
            }
        }
        tokio::time::sleep(ms(config.look_interval_ms)).await;
    }
}
