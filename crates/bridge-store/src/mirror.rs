//! What an ERP shows of our devices: which states it has not been told of yet, and what it was told last.

use crate::db::{Row, Statement, params};
use crate::{Store, StoreError, System};
use bridge_model::{AppType, DeviceId, Epoch, Position, Timestamp, UserId};

/// A device with an app, as one system's ERP knows it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct MirrorKey {
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// The kind of app.
    pub app_type: AppType,
    /// The user in the ERP.
    pub erp_user_id: i64,
}

/// A device's cursors of one app type, taken together, of which the ERP has not been told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateToMirror {
    /// Whose it is.
    pub key: MirrorKey,
    /// What the least advanced of the cursors has confirmed.
    pub confirmed: Position,
    /// Whether the device is about to start: it has not synchronised at all, or not since it was told to start over.
    pub is_starting: bool,
    /// When the device last synchronised.
    pub last_sync_at: Option<Timestamp>,
    /// How often it did in all.
    pub sync_count: i64,
    /// How many changes it got in all.
    pub events_synced: i64,
    /// How many it got the last time; with several cursors, the most.
    pub last_event_count: i64,
    /// When one of the cursors was last written.
    pub used_at: Timestamp,
    /// What the ERP was told before, if anything.
    pub told: Option<Told>,
    version_sum: i64,
}

/// What an ERP was told of a device.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The life of the event ids that it was told in.
    pub epoch: Epoch,
    /// The position that was confirmed then.
    pub confirmed: Position,
    /// The event id that it was told.
    pub last_event_id: i64,
}

/// A state that the ERP has been told of.
#[derive(Debug, Clone)]
pub struct MirroredState {
    /// The state.
    pub state: StateToMirror,
    /// What it was told.
    pub told: Told,
    /// Why the ERP refused it; it is not told again until the device synchronises.
    pub refusal: Option<String>,
}

impl Store {
    /// At most `limit` states of devices whose users are linked to this system and of which its ERP was told
    /// something else, or nothing; those that it was told of longest ago come first. Looks at all of the tenant's
    /// cursors.
    pub async fn states_to_mirror(&self, system: &System, limit: u32) -> Result<Vec<StateToMirror>, StoreError> {
        let sql = "SELECT c.user_id, c.device_id, c.app_type, u.odoo_user_id, MIN(c.confirmed),
                MAX(CASE WHEN c.last_sync_at IS NULL OR c.last_sync_at < c.reset_at THEN 1 ELSE 0 END),
                MAX(c.last_sync_at), CAST(SUM(c.sync_count) AS BIGINT), CAST(SUM(c.events_synced) AS BIGINT),
                MAX(c.last_event_count), MAX(c.used_at), CAST(SUM(c.version) AS BIGINT),
                m.epoch, m.confirmed, m.last_event_id
             FROM cursors AS c
             JOIN users AS u ON u.tenant_id = c.tenant_id AND u.id = c.user_id
             LEFT JOIN mirrored_states AS m ON m.tenant_id = c.tenant_id AND m.system_key = ?2
                AND m.user_id = c.user_id AND m.device_id = c.device_id AND m.app_type = c.app_type
             WHERE c.tenant_id = ?1 AND c.system_key IN (0, ?2)
                AND u.odoo_user_id IS NOT NULL AND COALESCE(u.odoo_system_key, ?3) = ?2
                AND (m.erp_user_id IS NULL OR m.erp_user_id = u.odoo_user_id)
             GROUP BY c.user_id, c.device_id, c.app_type, u.odoo_user_id, m.epoch, m.confirmed, m.last_event_id,
                m.version_sum, m.used_at, m.mirrored_at
             HAVING m.version_sum IS NULL OR m.version_sum <> SUM(c.version) OR m.used_at <> MAX(c.used_at)
             ORDER BY COALESCE(m.mirrored_at, 0), MAX(c.used_at), c.user_id, c.device_id, c.app_type LIMIT ?4";
        let params = params![system.tenant, system.key, unbound_links(system), limit];
        self.rows(Statement::new(sql, params), state_to_mirror).await
    }

    /// At most `limit` devices of which this system's ERP was told and that are gone: forgotten, or their users are
    /// not linked to it any more.
    pub async fn states_to_end(&self, system: &System, limit: u32) -> Result<Vec<MirrorKey>, StoreError> {
        let sql = "SELECT m.user_id, m.device_id, m.app_type, m.erp_user_id FROM mirrored_states AS m
             WHERE m.tenant_id = ?1 AND m.system_key = ?2 AND NOT EXISTS (
                SELECT 1 FROM cursors AS c JOIN users AS u ON u.tenant_id = c.tenant_id AND u.id = c.user_id
                WHERE c.tenant_id = m.tenant_id AND c.user_id = m.user_id AND c.device_id = m.device_id
                    AND c.app_type = m.app_type AND c.system_key IN (0, ?2)
                    AND u.odoo_user_id = m.erp_user_id AND COALESCE(u.odoo_system_key, ?3) = ?2)
             ORDER BY m.mirrored_at, m.user_id, m.device_id, m.app_type LIMIT ?4";
        let params = params![system.tenant, system.key, unbound_links(system), limit];
        self.rows(Statement::new(sql, params), mirror_key).await
    }

    /// Notes what this system's ERP has been told of devices that are there, and forgets those that it was told are
    /// gone.
    pub async fn note_mirrored(
        &self,
        system: &System,
        told: &[MirroredState],
        ended: &[MirrorKey],
    ) -> Result<(), StoreError> {
        let now = self.now();
        let ended = ended.iter().map(|key| {
            Statement::new(
                "DELETE FROM mirrored_states WHERE tenant_id = ?1 AND system_key = ?2 AND user_id = ?3
                    AND device_id = ?4 AND app_type = ?5 AND erp_user_id = ?6",
                params![system.tenant, system.key, key.user, &key.device, &key.app_type, key.erp_user_id],
            )
        });
        let told = told.iter().map(|one| {
            let MirroredState { state, told, refusal } = one;
            Statement::new(
                "INSERT INTO mirrored_states (tenant_id, system_key, user_id, device_id, app_type, erp_user_id, epoch,
                    confirmed, last_event_id, version_sum, used_at, refusal, mirrored_at)
                 VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)
                 ON CONFLICT (tenant_id, system_key, user_id, device_id, app_type) DO UPDATE SET
                    erp_user_id = excluded.erp_user_id, epoch = excluded.epoch, confirmed = excluded.confirmed,
                    last_event_id = excluded.last_event_id, version_sum = excluded.version_sum,
                    used_at = excluded.used_at, refusal = excluded.refusal, mirrored_at = excluded.mirrored_at",
                params![
                    system.tenant,
                    system.key,
                    state.key.user,
                    &state.key.device,
                    &state.key.app_type,
                    state.key.erp_user_id,
                    told.epoch,
                    told.confirmed,
                    told.last_event_id,
                    state.version_sum,
                    state.used_at,
                    refusal.as_deref(),
                    now,
                ],
            )
        });
        let statements: Vec<_> = ended.chain(told).collect();
        if !statements.is_empty() {
            self.db().write(statements).await?;
        }
        Ok(())
    }
}

/// The system of links that were made while there was no primary one: it is the one that is primary now. 0 is none.
fn unbound_links(system: &System) -> i64 {
    if system.is_primary { system.key.0 } else { 0 }
}

fn state_to_mirror(row: &Row) -> Result<StateToMirror, StoreError> {
    let told = match (row.get_opt_i64(12)?, row.get_opt_i64(13)?, row.get_opt_i64(14)?) {
        (Some(epoch), Some(confirmed), Some(last_event_id)) => {
            Some(Told { epoch: Epoch(epoch), confirmed: Position::new(confirmed), last_event_id })
        }
        _ => None,
    };
    Ok(StateToMirror {
        key: mirror_key(row)?,
        confirmed: Position::new(row.get_i64(4)?),
        is_starting: row.get_bool(5)?,
        last_sync_at: row.get_opt_time(6)?,
        sync_count: row.get_i64(7)?,
        events_synced: row.get_i64(8)?,
        last_event_count: row.get_i64(9)?,
        used_at: row.get_time(10)?,
        version_sum: row.get_i64(11)?,
        told,
    })
}

fn mirror_key(row: &Row) -> Result<MirrorKey, StoreError> {
    let corrupt = |what| StoreError::Corrupt { what };
    Ok(MirrorKey {
        user: UserId(row.get_i64(0)?),
        device: DeviceId::parse(row.get_text(1)?).map_err(|_| corrupt("a mirrored device"))?,
        app_type: AppType::parse(row.get_text(2)?).map_err(|_| corrupt("a mirrored app type"))?,
        erp_user_id: row.get_i64(3)?,
    })
}
