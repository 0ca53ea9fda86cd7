//! Cursors: how far each device has confirmed what it has, and what was handed out to it since.

use crate::db::sqlite::{Remembered, Writing};
use crate::db::{Db, Param, Row, Statement, params};
use crate::rights::{models_from_text, models_text};
use crate::{LogSpan, Store, StoreError};
use bridge_model::entropy::hex;
use bridge_model::{AppType, DeviceId, ModelName, Position, SystemKey, TenantId, Timestamp, UserId};
use sha2::{Digest, Sha256};

/// What a cursor is of. Two pulls that ask for different things have different cursors, so that confirming the
/// narrower one never skips what it did not ask for.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct CursorKey {
    /// The tenant.
    pub tenant: TenantId,
    /// The user.
    pub user: UserId,
    /// The device.
    pub device: DeviceId,
    /// The kind of app.
    pub app_type: AppType,
    /// The system asked for; `None` for all.
    pub system: Option<SystemKey>,
    /// The models asked for, sorted; `None` for all of the app type.
    pub models: Option<Vec<ModelName>>,
}

impl CursorKey {
    /// A key; the models may come in any order and more than once.
    pub fn new(
        tenant: TenantId,
        user: UserId,
        device: DeviceId,
        app_type: AppType,
        system: Option<SystemKey>,
        models: Option<Vec<ModelName>>,
    ) -> Self {
        let models = models.map(|mut models| {
            models.sort();
            models.dedup();
            models
        });
        Self { tenant, user, device, app_type, system, models }
    }
}

/// A device's place in the log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cursor {
    /// What it is of.
    pub key: CursorKey,
    /// What the device has confirmed to have.
    pub confirmed: Position,
    /// The highest position handed out; at least `confirmed`.
    pub offered: Position,
    /// Where the batch ends that the last pull handed out: what a client without tokens confirms by coming again.
    pub batch_to: Position,
    /// When that batch was handed out.
    pub offered_at: Option<Timestamp>,
    /// Whether the device confirms by token; from then on nothing is taken as confirmed implicitly.
    pub explicit: bool,
    /// When the device last synchronised.
    pub last_sync_at: Option<Timestamp>,
    /// How often it did.
    pub sync_count: i64,
    /// How many changes it got in all.
    pub events_synced: i64,
    /// How many it got the last time.
    pub last_event_count: i64,
    /// When the cursor was made.
    pub created_at: Timestamp,
    /// Grows with every save; 0 until the first.
    pub version: i64,
}

impl Cursor {
    /// A cursor that is not saved yet and stands at `position`.
    pub fn starting_at(key: CursorKey, position: Position, now: Timestamp) -> Self {
        Self {
            key,
            confirmed: position,
            offered: position,
            batch_to: position,
            offered_at: None,
            explicit: false,
            last_sync_at: None,
            sync_count: 0,
            events_synced: 0,
            last_event_count: 0,
            created_at: now,
            version: 0,
        }
    }
}

macro_rules! columns {
    () => {
        columns!("")
    };
    ($of:literal) => {
        columns!(
            $of: tenant_id, user_id, device_id, app_type, system_key, models, confirmed, offered, batch_to, offered_at,
            explicit, last_sync_at, sync_count, events_synced, last_event_count, created_at, version
        )
    };
    ($of:literal: $first:ident $(, $column:ident)*) => {
        concat!($of, stringify!($first) $(, ", ", $of, stringify!($column))*)
    };
}

/// What a device has synchronised with one app: its cursors of that app type taken together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AppOfDevice {
    /// The device.
    pub device: DeviceId,
    /// The kind of app.
    pub app_type: AppType,
    /// How many cursors there are.
    pub cursors: u64,
    /// What the least advanced of them has confirmed.
    pub confirmed: Position,
    /// When the device last synchronised with any of them.
    pub last_sync_at: Option<Timestamp>,
    /// How often it did in all.
    pub sync_count: i64,
    /// How many changes it got in all.
    pub events_synced: i64,
    /// When the first of them was made.
    pub created_at: Timestamp,
    /// When one of them was last written; from then on the time runs after which they are forgotten.
    pub used_at: Timestamp,
}

impl Store {
    /// What a user's devices have synchronised, by device and app type: of at most `limit` devices after `after`.
    pub async fn devices(
        &self,
        tenant: TenantId,
        user: UserId,
        after: Option<&DeviceId>,
        limit: u32,
    ) -> Result<Vec<AppOfDevice>, StoreError> {
        let sql = "SELECT device_id, app_type, COUNT(*), MIN(confirmed), MAX(last_sync_at),
                CAST(SUM(sync_count) AS BIGINT), CAST(SUM(events_synced) AS BIGINT), MIN(created_at), MAX(used_at)
             FROM cursors WHERE tenant_id = ?1 AND user_id = ?2 AND device_id IN
                (SELECT DISTINCT device_id FROM cursors WHERE tenant_id = ?1 AND user_id = ?2 AND device_id > ?3
                 ORDER BY device_id LIMIT ?4)
             GROUP BY device_id, app_type ORDER BY device_id, app_type";
        let after = after.map_or("", DeviceId::as_str);
        self.rows(Statement::new(sql, params![tenant, user, after, limit]), app_of_device).await
    }

    /// Forgets a user's device with all its cursors; answers how many.
    pub async fn forget_device(&self, tenant: TenantId, user: UserId, device: &DeviceId) -> Result<u64, StoreError> {
        let sql = "DELETE FROM cursors WHERE tenant_id = ?1 AND user_id = ?2 AND device_id = ?3";
        let writing = self.writing_device(tenant, user, device);
        self.affected_with(Statement::new(sql, params![tenant, user, device]), writing).await
    }

    /// The cursor of this key, if the device has one. On SQLite, where nobody else can move it, without a look at the
    /// database if it was used not long ago.
    pub async fn cursor(&self, key: &CursorKey) -> Result<Option<Cursor>, StoreError> {
        let Some(remembered) = self.remembered() else { return self.read_cursor(key).await };
        let device = device_key(key);
        let known = remembered.look(&device, |cursors| cursors.iter().find(|cursor| cursor.key == *key).cloned());
        if let Some(Some(cursor)) = known {
            return Ok(Some(cursor));
        }
        let reading = remembered.reading(&device);
        let cursor = self.read_cursor(key).await?;
        if let Some(cursor) = &cursor {
            reading.keep_in(|cursors| remember(cursors, cursor.clone()));
        }
        Ok(cursor)
    }

    async fn read_cursor(&self, key: &CursorKey) -> Result<Option<Cursor>, StoreError> {
        let sql = concat!(
            "SELECT ",
            columns!(),
            " FROM cursors WHERE tenant_id = ?1 AND user_id = ?2 AND device_id = ?3 AND app_type = ?4
                AND system_key = ?5 AND filter_key = ?6"
        );
        self.row(Statement::new(sql, key_params(key)), cursor).await
    }

    /// The cursor of this key, if the device has one, and what is kept of the log: in one look.
    pub async fn place(&self, key: &CursorKey) -> Result<(Option<Cursor>, LogSpan), StoreError> {
        if self.remembered().is_some() {
            return Ok((self.cursor(key).await?, self.kept(key.tenant).await?));
        }
        let sql = concat!(
            "SELECT ",
            columns!("c."),
            ", h.trimmed_to, h.head FROM (SELECT 1 AS one) AS always
             LEFT JOIN log_heads AS h ON h.tenant_id = ?1
             LEFT JOIN cursors AS c ON c.tenant_id = ?1 AND c.user_id = ?2 AND c.device_id = ?3 AND c.app_type = ?4
                AND c.system_key = ?5 AND c.filter_key = ?6"
        );
        let read = |row: &Row| {
            let found = row.get_opt_i64(0)?.is_some();
            let bound = |column| row.get_opt_i64(column).map(|bound| Position::new(bound.unwrap_or_default()));
            let span = LogSpan { after: bound(17)?, up_to: bound(18)? };
            Ok((if found { Some(cursor(row)?) } else { None }, span))
        };
        let read = self.row(Statement::new(sql, key_params(key)), read).await?;
        read.ok_or(StoreError::Corrupt { what: "a device's place" })
    }

    /// Saves a cursor if its version is still the one that was read (0: there was none); `false` if somebody else
    /// was faster. What is saved bears the next version. `NotFound` if the tenant has no such user.
    pub async fn save_cursor(&self, cursor: &Cursor) -> Result<bool, StoreError> {
        let statement = if cursor.version > 0 { update(cursor, self.now()) } else { insert(cursor, self.now()) };
        let writing = self.remembered().map(|remembered| remembered.writing(&device_key(&cursor.key)));
        let (outcomes, writing) = self.db().write_with(vec![statement], writing).await?;
        let saved = outcomes.iter().any(|outcome| outcome.affected > 0);
        if saved {
            let offered = cursor.offered.max(cursor.confirmed);
            let saved = Cursor { offered, version: cursor.version + 1, ..cursor.clone() };
            if let Some(writing) = writing {
                writing.done(|known| {
                    let mut cursors = known.unwrap_or_default();
                    remember(&mut cursors, saved);
                    Some(cursors)
                });
            }
        }
        if saved || cursor.version > 0 {
            return Ok(saved);
        }
        match self.user(cursor.key.tenant, cursor.key.user).await? {
            Some(_) => Ok(false),
            None => Err(StoreError::NotFound),
        }
    }

    /// A user's cursors, of one device or of all, by device, app type and what they are of.
    pub async fn cursors(
        &self,
        tenant: TenantId,
        user: UserId,
        device: Option<&DeviceId>,
    ) -> Result<Vec<Cursor>, StoreError> {
        let statement = match device {
            Some(device) => Statement::new(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM cursors WHERE tenant_id = ?1 AND user_id = ?2 AND device_id = ?3
                     ORDER BY app_type, system_key, filter_key"
                ),
                params![tenant, user, device],
            ),
            None => Statement::new(
                concat!(
                    "SELECT ",
                    columns!(),
                    " FROM cursors WHERE tenant_id = ?1 AND user_id = ?2
                     ORDER BY device_id, app_type, system_key, filter_key"
                ),
                params![tenant, user],
            ),
        };
        self.rows(statement, cursor).await
    }

    /// Puts a device's cursors (of one app type or of all) to `position`, as if it had confirmed that; answers how
    /// many. Whether it confirms by token stays as it is.
    pub async fn reset_cursors(
        &self,
        tenant: TenantId,
        user: UserId,
        device: &DeviceId,
        app_type: Option<&AppType>,
        position: Position,
    ) -> Result<u64, StoreError> {
        let update = Statement::new(
            "UPDATE cursors SET confirmed = ?5, offered = ?5, batch_to = ?5, offered_at = NULL, used_at = ?6,
                reset_at = ?6, version = version + 1
             WHERE tenant_id = ?1 AND user_id = ?2 AND device_id = ?3 AND app_type = COALESCE(?4, app_type)",
            params![tenant, user, device, app_type, position, self.now()],
        );
        self.affected_with(update, self.writing_device(tenant, user, device)).await
    }

    /// Forgets cursors of every tenant that nobody has written since this time, in transactions of at most `batch`
    /// rows; answers how many.
    pub async fn purge_cursors(&self, unused_since: Timestamp, batch: u32) -> Result<u64, StoreError> {
        // The condition is repeated outside: a cursor that is used while this runs stays.
        let sql = "DELETE FROM cursors WHERE used_at < ?1
             AND (tenant_id, user_id, device_id, app_type, system_key, filter_key) IN
                (SELECT tenant_id, user_id, device_id, app_type, system_key, filter_key FROM cursors
                 WHERE used_at < ?1 ORDER BY used_at LIMIT ?2)";
        self.purge_with(sql, unused_since, batch, || self.writing_cursors()).await
    }

    /// What is known of the cursors, where that is remembered.
    fn remembered(&self) -> Option<&Remembered<DeviceKey, CursorsOfDevice>> {
        match self.db() {
            Db::Sqlite(db) => Some(&db.cursors),
            Db::Postgres(_) => None,
        }
    }

    /// To be held while a device's cursors are written: what is remembered of them ends with it.
    fn writing_device(&self, tenant: TenantId, user: UserId, device: &DeviceId) -> Option<WritingDevice> {
        self.remembered().map(|remembered| remembered.writing(&(tenant, user, device.clone())))
    }

    /// To be held while cursors of any devices are written.
    pub(crate) fn writing_cursors(&self) -> impl Send + use<> {
        self.remembered().map(Remembered::writing_any)
    }
}

/// What remembered cursors are found by.
type DeviceKey = (TenantId, UserId, DeviceId);

type WritingDevice = Writing<DeviceKey, CursorsOfDevice>;

/// Those cursors of a device that are known.
pub(crate) type CursorsOfDevice = Vec<Cursor>;

/// The most cursors of one device that are remembered.
const REMEMBERED_PER_DEVICE_MAX: usize = 8;

fn device_key(key: &CursorKey) -> DeviceKey {
    (key.tenant, key.user, key.device.clone())
}

/// Puts a cursor in the place of an older one.
fn remember(cursors: &mut CursorsOfDevice, cursor: Cursor) {
    match cursors.iter_mut().find(|known| known.key == cursor.key) {
        Some(known) if known.version > cursor.version => {}
        Some(known) => *known = cursor,
        None => {
            cursors.truncate(REMEMBERED_PER_DEVICE_MAX - 1);
            cursors.push(cursor);
        }
    }
}

fn key_params(key: &CursorKey) -> Vec<Param> {
    params![key.tenant, key.user, &key.device, &key.app_type, system_column(key), filter_key(key)]
}

fn insert(cursor: &Cursor, now: Timestamp) -> Statement {
    let key = &cursor.key;
    Statement::new(
        concat!(
            "INSERT INTO cursors (",
            columns!(),
            ", filter_key, used_at)
             SELECT tenant_id, id, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, 1, ?17, ?18
             FROM users WHERE tenant_id = ?1 AND id = ?2
             ON CONFLICT DO NOTHING"
        ),
        params![
            key.tenant,
            key.user,
            &key.device,
            &key.app_type,
            system_column(key),
            key.models.clone().map(models_text),
            cursor.confirmed,
            cursor.offered.max(cursor.confirmed),
            cursor.batch_to,
            cursor.offered_at,
            cursor.explicit,
            cursor.last_sync_at,
            cursor.sync_count,
            cursor.events_synced,
            cursor.last_event_count,
            cursor.created_at,
            filter_key(key),
            now,
        ],
    )
}

fn update(cursor: &Cursor, now: Timestamp) -> Statement {
    let key = &cursor.key;
    Statement::new(
        "UPDATE cursors SET confirmed = ?8, offered = ?9, batch_to = ?10, offered_at = ?11, explicit = ?12,
            last_sync_at = ?13, sync_count = ?14, events_synced = ?15, last_event_count = ?16, used_at = ?17,
            version = version + 1
         WHERE tenant_id = ?1 AND user_id = ?2 AND device_id = ?3 AND app_type = ?4 AND system_key = ?5
            AND filter_key = ?6 AND version = ?7",
        params![
            key.tenant,
            key.user,
            &key.device,
            &key.app_type,
            system_column(key),
            filter_key(key),
            cursor.version,
            cursor.confirmed,
            cursor.offered.max(cursor.confirmed),
            cursor.batch_to,
            cursor.offered_at,
            cursor.explicit,
            cursor.last_sync_at,
            cursor.sync_count,
            cursor.events_synced,
            cursor.last_event_count,
            now,
        ],
    )
}

/// The system in the key's row: 0, which no system bears, for all.
fn system_column(key: &CursorKey) -> i64 {
    key.system.map_or(0, |system| system.0)
}

/// A text of bounded length that stands for the models filter in the primary key, `''` for none: the list itself
/// may be longer than an index entry of PostgreSQL can be.
fn filter_key(key: &CursorKey) -> String {
    let Some(models) = &key.models else { return String::new() };
    hex(&Sha256::digest(models_text(models.clone())))
}

fn app_of_device(row: &Row) -> Result<AppOfDevice, StoreError> {
    Ok(AppOfDevice {
        device: device_of(row.get_text(0)?)?,
        app_type: app_type_of(row.get_text(1)?)?,
        cursors: row.get_u64(2)?,
        confirmed: Position::new(row.get_i64(3)?),
        last_sync_at: row.get_opt_time(4)?,
        sync_count: row.get_i64(5)?,
        events_synced: row.get_i64(6)?,
        created_at: row.get_time(7)?,
        used_at: row.get_time(8)?,
    })
}

fn device_of(text: String) -> Result<DeviceId, StoreError> {
    DeviceId::parse(text).map_err(|_| StoreError::Corrupt { what: "a cursor's device" })
}

fn app_type_of(text: String) -> Result<AppType, StoreError> {
    AppType::parse(text).map_err(|_| StoreError::Corrupt { what: "a cursor's app type" })
}

fn cursor(row: &Row) -> Result<Cursor, StoreError> {
    let device = device_of(row.get_text(2)?)?;
    let app_type = app_type_of(row.get_text(3)?)?;
    Ok(Cursor {
        key: CursorKey {
            tenant: TenantId(row.get_i64(0)?),
            user: UserId(row.get_i64(1)?),
            device,
            app_type,
            system: Some(row.get_i64(4)?).filter(|key| *key != 0).map(SystemKey),
            models: row.get_opt_text(5)?.as_deref().map(models_from_text).transpose()?,
        },
        confirmed: Position::new(row.get_i64(6)?),
        offered: Position::new(row.get_i64(7)?),
        batch_to: Position::new(row.get_i64(8)?),
        offered_at: row.get_opt_time(9)?,
        explicit: row.get_bool(10)?,
        last_sync_at: row.get_opt_time(11)?,
        sync_count: row.get_i64(12)?,
        events_synced: row.get_i64(13)?,
        last_event_count: row.get_i64(14)?,
        created_at: row.get_time(15)?,
        version: row.get_i64(16)?,
    })
}
