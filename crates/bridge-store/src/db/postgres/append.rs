//! Appending on PostgreSQL: two round trips for everything that is waiting.
//!
//! The first locks the tenants' rows in `log_heads` and looks up, behind that lock, what decides each append: whether
//! its writer still leads, which of its changes are in the log already. The second inserts and commits. Between the
//! two, positions are given in memory. Since the lock is held until the commit, they are in commit order.

use super::connect::Connection;
use super::{Failure, values};
use crate::StoreError;
use crate::db::{Item, Statement, field_list};
use crate::dead_letters::dead_letter_statements;
use crate::jobs::insert_job;
use crate::log::{Appended, Head, numeric_source_id};
use crate::polled::polled_statements;
use crate::reader_notes::save_note;
use crate::source::{require, save_progress};
use crate::wal::save_place;
use bridge_model::{NewChange, Position, RecordId, TenantId, Timestamp};
use std::collections::{BTreeMap, HashMap, HashSet};
use std::future::poll_fn;
use std::pin::Pin;
use std::task::Poll;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Row, Statement as Prepared};

/// Appends all items in one transaction; each has its own answer, and one that is refused leaves nothing behind.
/// After an error the connection must not be used again.
pub(super) async fn append_all(
    connection: &Connection,
    items: &[Item],
) -> Result<Vec<Result<Appended, StoreError>>, Failure> {
    let mut seen = look_up(connection, items).await.map_err(Failure::before_commit)?;
    if tenants(items).iter().any(|tenant| !seen.heads.contains_key(tenant)) {
        // A tenant's first append makes its row, and begins anew so that the lookups are behind the lock.
        connection.batch_execute("ROLLBACK").await.map_err(Failure::before_commit)?;
        make_heads(connection, items).await.map_err(Failure::before_commit)?;
        seen = look_up(connection, items).await.map_err(Failure::before_commit)?;
    }
    let mut rows = Rows::default();
    let results: Vec<_> = decide(items, &mut seen, &mut rows);
    let accepted = items.iter().zip(&results).filter(|(_, result)| result.is_ok()).map(|(item, _)| item);
    write(connection, accepted, &seen.heads, &rows).await?;
    Ok(results)
}

/// What the first round trip found out.
struct Seen {
    heads: BTreeMap<i64, Head>,
    /// Whether each item's fence holds (also where it has none).
    fences: Vec<bool>,
    /// The current epoch of each source that has one.
    epochs: HashMap<(i64, i64), i64>,
    /// The changes that are in the log or were before it was trimmed, counted from 1 over all items.
    known: HashSet<i64>,
}

async fn look_up(connection: &Connection, items: &[Item]) -> Result<Seen, tokio_postgres::Error> {
    let lock = connection.prepare_cached(LOCK_HEADS).await?;
    let epochs = connection.prepare_cached(EPOCHS).await?;
    let known = connection.prepare_cached(KNOWN).await?;
    // Leases are locked before heads and in the order of their names, here and wherever both are locked.
    let mut fences: Vec<_> = items
        .iter()
        .enumerate()
        .filter_map(|(index, item)| item.batch.fence.as_ref().map(|fence| (index, fence, item.now)))
        .collect();
    fences.sort_by(|a, b| a.1.name.cmp(&b.1.name));
    let fence_statements: Vec<_> = fences.iter().map(|(_, fence, now)| require(fence, *now)).collect();
    let mut fences_prepared = Vec::with_capacity(fence_statements.len());
    for statement in &fence_statements {
        fences_prepared.push(connection.prepare_cached(&values::text(statement)).await?);
    }
    let tenants: Vec<i64> = tenants(items);
    let sources: Vec<(i64, i64)> = items
        .iter()
        .filter_map(|item| item.batch.progress.as_ref().map(|progress| (item.tenant.0, progress.system.0)))
        .collect();
    let (source_tenants, source_systems): (Vec<i64>, Vec<i64>) = sources.into_iter().unzip();
    let keys = Keys::of(items);
    let key_params = keys.params();
    let lock_params: [&(dyn ToSql + Sync); 1] = [&tenants];
    let source_params: [&(dyn ToSql + Sync); 2] = [&source_tenants, &source_systems];

    let mut calls: Vec<Call<'_, Found>> = vec![Box::pin(begin(connection))];
    for (statement, prepared) in fence_statements.iter().zip(&fences_prepared) {
        calls.push(Box::pin(async move {
            connection.execute(prepared, &values::references(&statement.params)).await.map(Found::Count)
        }));
    }
    calls.push(Box::pin(select(connection, &lock, &lock_params)));
    calls.push(Box::pin(select(connection, &epochs, &source_params)));
    calls.push(Box::pin(select(connection, &known, &key_params)));
    let mut answers = in_order(calls).await?.into_iter().skip(1);

    let mut fences_hold = vec![true; items.len()];
    for (index, ..) in &fences {
        fences_hold[*index] = matches!(answers.next(), Some(Found::Count(1..)));
    }
    let mut rows = || match answers.next() {
        Some(Found::Rows(rows)) => rows,
        _ => Vec::new(),
    };
    let (heads, epochs, known) = (rows(), rows(), rows());
    Ok(Seen {
        heads: heads
            .iter()
            .map(|row| {
                let (position, received_at): (i64, i64) = (row.try_get(1)?, row.try_get(2)?);
                let head = Head { position: Position::new(position), received_at: Timestamp::from_micros(received_at) };
                Ok((row.try_get(0)?, head))
            })
            .collect::<Result<_, tokio_postgres::Error>>()?,
        fences: fences_hold,
        epochs: epochs
            .iter()
            .map(|row| Ok(((row.try_get(0)?, row.try_get(1)?), row.try_get(2)?)))
            .collect::<Result<_, tokio_postgres::Error>>()?,
        known: known.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?,
    })
}

/// In the order of their ids, so that two nodes never wait for each other.
const LOCK_HEADS: &str = "SELECT tenant_id, head, last_received_at FROM log_heads
    WHERE tenant_id = ANY($1) ORDER BY tenant_id FOR UPDATE";

const EPOCHS: &str = "SELECT s.tenant_id, s.system_key, s.epoch
    FROM UNNEST($1::bigint[], $2::bigint[]) AS k (tenant_id, system_key)
    JOIN sources AS s ON s.tenant_id = k.tenant_id AND s.system_key = k.system_key";

/// Which changes are known: those whose source id is in the log, and those that were trimmed, which is so when the
/// id is not above the mark, the reader (if there is one) has passed it, and it was not missing then. `OFFSET 0`
/// keeps the planner from reading the whole table into a hash while it takes the table for small.
const KNOWN: &str = "SELECT k.n
    FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::bigint[])
        AS k (n, tenant_id, system_key, epoch, source_id, id)
    WHERE EXISTS (SELECT 1 FROM changes AS c WHERE c.tenant_id = k.tenant_id AND c.system_key = k.system_key
            AND c.epoch = k.epoch AND c.source_id = k.source_id AND c.source_id IS NOT NULL OFFSET 0)
        OR (k.id IS NOT NULL AND EXISTS (SELECT 1 FROM source_marks AS m
            WHERE m.tenant_id = k.tenant_id AND m.system_key = k.system_key AND m.epoch = k.epoch AND m.mark >= k.id
                AND NOT EXISTS (SELECT 1 FROM sources AS s WHERE s.tenant_id = k.tenant_id
                    AND s.system_key = k.system_key AND s.epoch = k.epoch AND s.read_to < k.id OFFSET 0)
                AND NOT EXISTS (SELECT 1 FROM sources AS s JOIN source_gaps AS g ON g.tenant_id = s.tenant_id
                    AND g.system_key = s.system_key WHERE s.tenant_id = k.tenant_id AND s.system_key = k.system_key
                    AND s.epoch = k.epoch AND g.gap_id = k.id OFFSET 0) OFFSET 0))";

/// The source ids of all items' changes, as columns.
#[derive(Default)]
struct Keys<'a> {
    numbers: Vec<i64>,
    tenants: Vec<i64>,
    systems: Vec<i64>,
    epochs: Vec<i64>,
    source_ids: Vec<&'a str>,
    ids: Vec<Option<i64>>,
}

impl<'a> Keys<'a> {
    fn of(items: &'a [Item]) -> Self {
        let mut keys = Self::default();
        for (number, (item, change)) in (1..).zip(changes(items)) {
            if let Some(source_id) = &change.source_id {
                keys.numbers.push(number);
                keys.tenants.push(item.tenant.0);
                keys.systems.push(change.system.0);
                keys.epochs.push(change.epoch.0);
                keys.source_ids.push(&source_id.0);
                keys.ids.push(numeric_source_id(change));
            }
        }
        keys
    }

    fn params(&self) -> [&(dyn ToSql + Sync); 6] {
        [&self.numbers, &self.tenants, &self.systems, &self.epochs, &self.source_ids, &self.ids]
    }
}

async fn make_heads(connection: &Connection, items: &[Item]) -> Result<(), tokio_postgres::Error> {
    let sql = "INSERT INTO log_heads (tenant_id, head, trimmed_to, last_received_at)
        SELECT id, 0, 0, 0 FROM tenants WHERE id = ANY($1) ORDER BY id ON CONFLICT DO NOTHING";
    let insert = connection.prepare_cached(sql).await?;
    connection.execute(&insert, &[&tenants(items)]).await.map(drop)
}

/// Answers each item, gives the positions, and moves the heads on.
fn decide<'a>(items: &'a [Item], seen: &mut Seen, rows: &mut Rows<'a>) -> Vec<Result<Appended, StoreError>> {
    let mut within = HashSet::new();
    let mut number = 0;
    items
        .iter()
        .zip(&seen.fences)
        .map(|(item, fence_holds)| {
            let first = number;
            number += i64::try_from(item.batch.changes.len()).unwrap_or(i64::MAX);
            let head = seen.heads.get_mut(&item.tenant.0).ok_or(StoreError::NotFound)?;
            let current = item.batch.progress.as_ref().is_none_or(|progress| {
                seen.epochs.get(&(item.tenant.0, progress.system.0)).copied().unwrap_or(0) == progress.epoch.0
            });
            if !fence_holds || !current {
                return Err(StoreError::Fenced);
            }
            head.received_at = head.received_at.max(item.now);
            let mut positions = Vec::with_capacity(item.batch.changes.len());
            for (number, change) in (first + 1..).zip(&item.batch.changes) {
                let is_new = !seen.known.contains(&number)
                    && change.source_id.as_ref().is_none_or(|source_id| {
                        within.insert((item.tenant.0, change.system.0, change.epoch.0, source_id.0.as_str()))
                    });
                if is_new {
                    head.position = head.position.plus(1);
                    rows.push(item.tenant, *head, change);
                }
                positions.push(is_new.then_some(head.position));
            }
            Ok(Appended { positions, head: head.position })
        })
        .collect()
}

/// New rows of `changes`, as columns.
#[derive(Default)]
struct Rows<'a> {
    tenants: Vec<i64>,
    positions: Vec<i64>,
    systems: Vec<i64>,
    epochs: Vec<i64>,
    source_ids: Vec<Option<&'a str>>,
    models: Vec<&'a str>,
    record_ids: Vec<Option<String>>,
    events: Vec<&'static str>,
    priorities: Vec<&'static str>,
    occurred: Vec<i64>,
    received: Vec<i64>,
    origins: Vec<&'static str>,
    erp_users: Vec<Option<i64>>,
    idempotency_keys: Vec<Option<&'a str>>,
    changed_fields: Vec<Option<String>>,
    payloads: Vec<Option<&'a str>>,
    old_data: Vec<Option<&'a str>>,
    new_data: Vec<Option<&'a str>>,
}

const INSERT: &str = "INSERT INTO changes (tenant_id, position, system_key, epoch, source_id, model, record_id, event,
        priority, occurred_at, received_at, origin, erp_user_id, idempotency_key, changed_fields, payload, old_data,
        new_data)
    SELECT * FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[], $4::bigint[], $5::text[], $6::text[], $7::text[],
        $8::text[], $9::text[], $10::bigint[], $11::bigint[], $12::text[], $13::bigint[], $14::text[], $15::text[],
        $16::text[], $17::text[], $18::text[])";

const MOVE_HEADS: &str = "UPDATE log_heads AS h SET head = k.head, last_received_at = k.received_at
    FROM UNNEST($1::bigint[], $2::bigint[], $3::bigint[]) AS k (tenant_id, head, received_at)
    WHERE h.tenant_id = k.tenant_id";

impl<'a> Rows<'a> {
    fn push(&mut self, tenant: TenantId, head: Head, change: &'a NewChange) {
        self.tenants.push(tenant.0);
        self.positions.push(head.position.get());
        self.systems.push(change.system.0);
        self.epochs.push(change.epoch.0);
        self.source_ids.push(change.source_id.as_ref().map(|id| id.0.as_str()));
        self.models.push(change.model.as_str());
        self.record_ids.push(change.record_id.as_ref().map(RecordId::to_stored));
        self.events.push(change.event.as_str());
        self.priorities.push(change.priority.as_str());
        self.occurred.push(change.occurred_at.as_micros());
        self.received.push(head.received_at.as_micros());
        self.origins.push(change.origin.as_str());
        self.erp_users.push(change.erp_user_id);
        self.idempotency_keys.push(change.idempotency_key.as_deref());
        self.changed_fields.push(change.changed_fields.as_deref().map(field_list));
        self.payloads.push(change.payload.as_ref().map(|json| json.get()));
        self.old_data.push(change.old_data.as_ref().map(|json| json.get()));
        self.new_data.push(change.new_data.as_ref().map(|json| json.get()));
    }

    fn params(&self) -> [&(dyn ToSql + Sync); 18] {
        [
            &self.tenants,
            &self.positions,
            &self.systems,
            &self.epochs,
            &self.source_ids,
            &self.models,
            &self.record_ids,
            &self.events,
            &self.priorities,
            &self.occurred,
            &self.received,
            &self.origins,
            &self.erp_users,
            &self.idempotency_keys,
            &self.changed_fields,
            &self.payloads,
            &self.old_data,
            &self.new_data,
        ]
    }
}

/// Inserts what was decided, and commits.
async fn write<'a>(
    connection: &Connection,
    accepted: impl Iterator<Item = &'a Item>,
    heads: &BTreeMap<i64, Head>,
    rows: &Rows<'_>,
) -> Result<(), Failure> {
    let mut beside: Vec<Statement> = Vec::new();
    for Item { tenant, batch, now } in accepted {
        beside.extend(batch.progress.iter().flat_map(|progress| save_progress(*tenant, progress, *now)));
        beside.extend(batch.wal.iter().map(|wal| save_place(*tenant, wal)));
        beside.extend(batch.note.iter().map(|note| save_note(*tenant, note)));
        beside.extend(batch.polled.iter().flat_map(|polled| polled_statements(*tenant, polled)));
        beside.extend(batch.jobs.iter().map(|job| insert_job(job, *now)));
        beside.extend(dead_letter_statements(*tenant, batch, *now));
    }
    let insert = connection.prepare_cached(INSERT).await.map_err(Failure::before_commit)?;
    let move_heads = connection.prepare_cached(MOVE_HEADS).await.map_err(Failure::before_commit)?;
    let mut beside_prepared: Vec<Prepared> = Vec::with_capacity(beside.len());
    for statement in &beside {
        let prepared = connection.prepare_cached(&values::text(statement)).await.map_err(Failure::before_commit)?;
        beside_prepared.push(prepared);
    }
    let row_params = rows.params();
    let (mut tenants, mut positions, mut received) = (Vec::new(), Vec::new(), Vec::new());
    for (tenant, head) in heads {
        tenants.push(*tenant);
        positions.push(head.position.get());
        received.push(head.received_at.as_micros());
    }
    let head_params: [&(dyn ToSql + Sync); 3] = [&tenants, &positions, &received];

    let mut calls: Vec<Call<'_, u64>> = Vec::with_capacity(beside.len() + 3);
    if !rows.tenants.is_empty() {
        calls.push(Box::pin(connection.execute(&insert, &row_params)));
        calls.push(Box::pin(connection.execute(&move_heads, &head_params)));
    }
    for (statement, prepared) in beside.iter().zip(&beside_prepared) {
        calls.push(Box::pin(async move { connection.execute(prepared, &values::references(&statement.params)).await }));
    }
    calls.push(Box::pin(async { connection.batch_execute("COMMIT").await.map(|()| 0) }));
    // A failed statement turns the COMMIT behind it into a rollback, and the first error is the one that tells why.
    in_order(calls).await.map(drop).map_err(Failure::of)
}

type Call<'a, T> = Pin<Box<dyn Future<Output = Result<T, tokio_postgres::Error>> + Send + 'a>>;

/// What a call of the first round trip answers.
enum Found {
    Count(u64),
    Rows(Vec<Row>),
}

async fn begin(connection: &Connection) -> Result<Found, tokio_postgres::Error> {
    connection.batch_execute("BEGIN").await.map(|()| Found::Count(0))
}

async fn select(
    connection: &Connection,
    statement: &Prepared,
    params: &[&(dyn ToSql + Sync)],
) -> Result<Found, tokio_postgres::Error> {
    connection.query(statement, params).await.map(Found::Rows)
}

/// Sends all calls in this order without waiting in between, and answers when all are answered: the first error, or
/// all results. The driver sends a call when its future is first polled, which is what keeps the order; the usual
/// joins promise none.
async fn in_order<T>(mut calls: Vec<Call<'_, T>>) -> Result<Vec<T>, tokio_postgres::Error> {
    let mut answers: Vec<Option<Result<T, tokio_postgres::Error>>> = calls.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut waiting = false;
        for (call, answer) in calls.iter_mut().zip(&mut answers) {
            if answer.is_none() {
                match call.as_mut().poll(context) {
                    Poll::Ready(result) => *answer = Some(result),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    answers.into_iter().flatten().collect()
}

fn changes(items: &[Item]) -> impl Iterator<Item = (&Item, &NewChange)> {
    items.iter().flat_map(|item| item.batch.changes.iter().map(move |change| (item, change)))
}

/// The tenants of all items, each once, in order.
fn tenants(items: &[Item]) -> Vec<i64> {
    let mut tenants: Vec<i64> = items.iter().map(|item| item.tenant.0).collect();
    tenants.sort_unstable();
    tenants.dedup();
    tenants
}
