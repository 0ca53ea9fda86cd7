//! The one task that appends: it takes whatever is waiting, commits it in one transaction, and then answers everybody.

use super::append::append_all;
use super::connect::Pool;
use super::{ATTEMPTS_MAX, WriteCounters};
use crate::db::Item;
use crate::log::Appended;
use crate::{StoreError, StoreOptions};
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

type Answer = oneshot::Sender<Result<Appended, StoreError>>;

/// The way to the appending task.
#[derive(Debug)]
pub(super) struct Appender {
    queue: mpsc::Sender<Message>,
}

#[expect(
    clippy::large_enum_variant,
    reason = "all but one of the messages are appends; a box for each would cost more"
)]
enum Message {
    Append(Item, Answer),
    Stop,
}

impl Appender {
    /// One that refuses everything, for a database that is only looked at.
    pub(super) fn refusing() -> Self {
        let (queue, _) = mpsc::channel(1);
        Self { queue }
    }

    /// Starts the task on the runtime that the caller runs on.
    pub(super) fn start(pool: Pool, options: &StoreOptions, counters: Arc<WriteCounters>) -> Self {
        let (queue, waiting) = mpsc::channel(options.queue_max.max(1));
        tokio::spawn(serve(pool, waiting, options.commit_rows_max.max(1), counters));
        Self { queue }
    }

    pub(super) async fn submit(&self, item: Item) -> Result<Appended, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.queue.try_send(Message::Append(item, answer)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::closed(),
        })?;
        answered.await.map_err(|_| StoreError::closed())?
    }

    /// Waits until everything that was queued before is committed.
    pub(super) async fn close(&self) {
        if self.queue.send(Message::Stop).await.is_ok() {
            self.queue.closed().await;
        }
    }
}

async fn serve(pool: Pool, mut waiting: mpsc::Receiver<Message>, commit_rows_max: usize, counters: Arc<WriteCounters>) {
    while let Some(first) = waiting.recv().await {
        let (mut items, mut answers) = (Vec::new(), Vec::new());
        let mut rows = 0;
        let mut stop = false;
        let mut next = Some(first);
        while let Some(message) = next {
            match message {
                Message::Append(item, answer) => {
                    rows += item.batch.rows().max(1);
                    items.push(item);
                    answers.push(answer);
                }
                Message::Stop => {
                    stop = true;
                    break;
                }
            }
            next = if rows < commit_rows_max { waiting.try_recv().ok() } else { None };
        }
        if !items.is_empty() {
            let results = commit(&pool, &items, &counters).await;
            for (answer, result) in answers.into_iter().zip(results) {
                // A caller that has gone away needs no answer.
                let _ = answer.send(result);
            }
        }
        if stop {
            break;
        }
    }
    pool.close();
}

/// One answer for each item. If one item's data is refused, the others are committed without it.
async fn commit(pool: &Pool, items: &[Item], counters: &WriteCounters) -> Vec<Result<Appended, StoreError>> {
    match commit_together(pool, items, counters).await {
        Ok(results) => results,
        Err(StoreError::Invalid { .. } | StoreError::Conflict(_) | StoreError::NotFound) if items.len() > 1 => {
            let mut results = Vec::with_capacity(items.len());
            for item in items.chunks(1) {
                match commit_together(pool, item, counters).await {
                    Ok(result) => results.extend(result),
                    Err(error) => results.push(Err(error)),
                }
            }
            results
        }
        Err(error) => items.iter().map(|_| Err(error.clone())).collect(),
    }
}

async fn commit_together(
    pool: &Pool,
    items: &[Item],
    counters: &WriteCounters,
) -> Result<Vec<Result<Appended, StoreError>>, StoreError> {
    let mut attempt = 1;
    loop {
        let connection = pool.get().await?;
        match append_all(&connection, items).await {
            Ok(results) => {
                counters.committed(items.len());
                return Ok(results);
            }
            Err(failure) => {
                // The transaction may be open still: the connection is not used again.
                drop(deadpool_postgres::Object::take(connection));
                if !failure.undone || attempt >= ATTEMPTS_MAX {
                    return Err(failure.error);
                }
                tracing::debug!(error = %failure.error, attempt, "begin an append anew");
                attempt += 1;
            }
        }
    }
}
