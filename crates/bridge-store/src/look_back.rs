//! Looking back over a stretch of the log: its newest changes, and how many there are of which kind.
//!
//! Nothing here has an index of its own, since each would cost every append: a look reads the stretch that it is
//! given, so that whoever asks bounds the stretch.

use crate::db::{Param, Row, Statement, StoredChange};
use crate::{Store, StoreError};
use bridge_model::{Change, Event, ModelName, Origin, Position, Priority, RecordId, SystemKey, TenantId, Timestamp};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// A stretch of a tenant's log: the positions above `after`, up to and including `up_to`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogSpan {
    /// The position before the first.
    pub after: Position,
    /// The last position.
    pub up_to: Position,
}

/// Which changes of a stretch are meant; by default all.
#[derive(Debug, Clone, Default)]
pub struct LogFilter {
    /// Only these models; `None` for all.
    pub models: Option<Vec<ModelName>>,
    /// Only this system; `None` for all.
    pub system: Option<SystemKey>,
    /// Only a record that bears one of these keys; `None` for all.
    pub records: Option<Vec<RecordId>>,
    /// Only this event.
    pub event: Option<Event>,
    /// Only what happened in the ERP at or after this.
    pub occurred_since: Option<Timestamp>,
    /// Only these models of these systems; `None` for all.
    pub visible: Option<Vec<(SystemKey, ModelName)>>,
}

/// Which of the newest changes to return.
#[derive(Debug, Clone, Copy)]
pub struct Newest {
    /// Only those that come after this one in the order, by its time in the ERP and its position.
    pub before: Option<(Timestamp, Position)>,
    /// How many to leave out.
    pub offset: u32,
    /// How many to return at most.
    pub limit: u32,
}

/// How many changes of one kind a stretch holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChangeCount {
    /// The system.
    pub system: SystemKey,
    /// The model.
    pub model: ModelName,
    /// What happened.
    pub event: Event,
    /// How urgent it was.
    pub priority: Priority,
    /// How it reached us.
    pub origin: Origin,
    /// How many.
    pub count: u64,
    /// The last of them.
    pub last: Position,
}

impl Store {
    /// The changes of a stretch, the newest first by their time in the ERP; of the same time, the one that arrived
    /// later first.
    pub async fn newest(
        &self,
        tenant: TenantId,
        span: LogSpan,
        filter: &LogFilter,
        page: Newest,
    ) -> Result<Vec<Change>, StoreError> {
        let mut query = Query::of(
            "SELECT position, system_key, epoch, source_id, model, record_id, event, priority, occurred_at, received_at,
                origin, erp_user_id, idempotency_key, changed_fields, payload, old_data, new_data FROM changes",
        );
        query.restrict(tenant, span, filter);
        if let Some((occurred_at, position)) = page.before {
            let (at, position) = (query.param(occurred_at), query.param(position));
            query.and(&format!("(occurred_at < {at} OR (occurred_at = {at} AND position < {position}))"));
        }
        let (limit, offset) = (query.param(page.limit), query.param(page.offset));
        query.push(&format!(" ORDER BY occurred_at DESC, position DESC LIMIT {limit} OFFSET {offset}"));
        self.rows(query.statement(), |row| stored(row)?.into_change()).await
    }

    /// How many changes of each kind a stretch holds.
    pub async fn count_changes(
        &self,
        tenant: TenantId,
        span: LogSpan,
        filter: &LogFilter,
    ) -> Result<Vec<ChangeCount>, StoreError> {
        let mut query =
            Query::of("SELECT system_key, model, event, priority, origin, COUNT(*), MAX(position) FROM changes");
        query.restrict(tenant, span, filter);
        query.push(" GROUP BY system_key, model, event, priority, origin");
        self.rows(query.statement(), count).await
    }
}

/// A SELECT that is put together from the conditions that are asked for.
struct Query {
    sql: String,
    params: Vec<Param>,
}

impl Query {
    fn of(select: &str) -> Self {
        Self { sql: select.to_owned(), params: Vec::new() }
    }

    fn restrict(&mut self, tenant: TenantId, span: LogSpan, filter: &LogFilter) {
        let (tenant, after, up_to) = (self.param(tenant), self.param(span.after), self.param(span.up_to));
        self.push(&format!(" WHERE tenant_id = {tenant} AND position > {after} AND position <= {up_to}"));
        if let Some(models) = &filter.models {
            let one_of = self.one_of("model", models);
            self.and(&one_of);
        }
        if let Some(system) = filter.system {
            let system = self.param(system);
            self.and(&format!("system_key = {system}"));
        }
        if let Some(records) = &filter.records {
            let keys: Vec<String> = records.iter().map(RecordId::to_stored).collect();
            let one_of = self.one_of("record_id", &keys);
            self.and(&one_of);
        }
        if let Some(event) = filter.event {
            let event = self.param(event.as_str());
            self.and(&format!("event = {event}"));
        }
        if let Some(since) = filter.occurred_since {
            let since = self.param(since);
            self.and(&format!("occurred_at >= {since}"));
        }
        if let Some(visible) = &filter.visible {
            let mut by_system: BTreeMap<SystemKey, Vec<&ModelName>> = BTreeMap::new();
            for (system, model) in visible {
                by_system.entry(*system).or_default().push(model);
            }
            let mut any = vec!["1 = 0".to_owned()];
            for (system, models) in by_system {
                let system = self.param(system);
                any.push(format!("(system_key = {system} AND {})", self.one_of("model", &models)));
            }
            self.and(&format!("({})", any.join(" OR ")));
        }
    }

    fn and(&mut self, condition: &str) {
        self.push(" AND ");
        self.push(condition);
    }

    fn push(&mut self, sql: &str) {
        self.sql.push_str(sql);
    }

    /// Takes a parameter and answers its sign.
    fn param(&mut self, value: impl Into<Param>) -> String {
        self.params.push(value.into());
        format!("?{}", self.params.len())
    }

    /// The condition that a column has one of these values. Their number is rounded up, the last one standing in for
    /// what is missing: statements stay prepared by their text, and there must not be one for every number.
    fn one_of<T: AsRef<str>>(&mut self, column: &str, values: &[T]) -> String {
        let Some(filler) = values.last() else { return "1 = 0".to_owned() };
        let mut list = String::new();
        for index in 0..values.len().next_power_of_two() {
            let sign = self.param(values.get(index).unwrap_or(filler).as_ref());
            // Writing to a String cannot fail.
            let _ = write!(list, "{}{sign}", if index == 0 { "" } else { ", " });
        }
        format!("{column} IN ({list})")
    }

    fn statement(self) -> Statement {
        Statement::new(self.sql, self.params)
    }
}

fn stored(row: &Row) -> Result<StoredChange, StoreError> {
    Ok(StoredChange {
        position: row.get_i64(0)?,
        system_key: row.get_i64(1)?,
        epoch: row.get_i64(2)?,
        source_id: row.get_opt_text(3)?,
        model: row.get_text(4)?,
        record_id: row.get_opt_text(5)?,
        event: row.get_text(6)?,
        priority: row.get_text(7)?,
        occurred_at: row.get_i64(8)?,
        received_at: row.get_i64(9)?,
        origin: row.get_text(10)?,
        erp_user_id: row.get_opt_i64(11)?,
        idempotency_key: row.get_opt_text(12)?,
        changed_fields: row.get_opt_text(13)?,
        payload: row.get_opt_text(14)?,
        old_data: row.get_opt_text(15)?,
        new_data: row.get_opt_text(16)?,
    })
}

fn count(row: &Row) -> Result<ChangeCount, StoreError> {
    let corrupt = |what| StoreError::Corrupt { what };
    Ok(ChangeCount {
        system: SystemKey(row.get_i64(0)?),
        model: ModelName::parse(row.get_text(1)?).map_err(|_| corrupt("changes.model"))?,
        event: Event::from_word(&row.get_text(2)?).ok_or(corrupt("changes.event"))?,
        priority: Priority::from_word(&row.get_text(3)?).ok_or(corrupt("changes.priority"))?,
        origin: Origin::from_word(&row.get_text(4)?).ok_or(corrupt("changes.origin"))?,
        count: row.get_u64(5)?,
        last: Position::new(row.get_i64(6)?),
    })
}
