//! The one writer: a thread that takes whatever is waiting, commits it once, and only then answers everybody.

use super::error;
use crate::db::WriteCounters;
use crate::{StoreError, StoreOptions};
use rusqlite::Connection;
use std::fs::File;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

/// The way to the writer thread.
#[derive(Debug)]
pub(super) struct Writer {
    queue: mpsc::Sender<Message>,
}

enum Message {
    Write(Job),
    Stop(oneshot::Sender<()>),
}

struct Job {
    rows: usize,
    /// Does the work, or, given an error, only makes the answer of it.
    run: Run,
}

type Run = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Done + Send>;

/// A job that has run but is not yet committed.
struct Done {
    keep: bool,
    /// Tells the caller, once it is known whether the commit succeeded.
    answer: Box<dyn FnOnce(Result<(), StoreError>)>,
}

impl Writer {
    pub(super) fn start(
        connection: Connection,
        lock: File,
        options: &StoreOptions,
        counters: Arc<WriteCounters>,
    ) -> Result<Self, StoreError> {
        let (queue, waiting) = mpsc::channel(options.queue_max.max(1));
        let commit_rows_max = options.commit_rows_max.max(1);
        std::thread::Builder::new()
            .name("store-writer".to_owned())
            .spawn(move || {
                let stop = serve(&connection, waiting, commit_rows_max, &counters);
                drop(connection);
                // The file is free for another process only after the last write, and whoever closes waits for that.
                drop(lock);
                drop(stop);
            })
            .map_err(StoreError::unavailable)?;
        Ok(Self { queue })
    }

    pub(super) async fn submit<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let run = Box::new(move |connection: Result<&Connection, StoreError>| {
            let result = connection.and_then(work);
            Done {
                keep: result.is_ok(),
                answer: Box::new(move |committed| {
                    // A caller that has gone away needs no answer.
                    let _ = answer.send(result.and_then(|value| committed.map(|()| value)));
                }),
            }
        });
        self.queue.try_send(Message::Write(Job { rows, run })).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::closed(),
        })?;
        answered.await.map_err(|_| StoreError::closed())?
    }

    /// Waits until everything that was queued before is written and the thread has let go of the file.
    pub(super) async fn close(&self) {
        let (stop, stopped) = oneshot::channel();
        if self.queue.send(Message::Stop(stop)).await.is_ok() {
            // The thread drops its end, which is the answer.
            let _ = stopped.await;
        }
    }
}

fn serve(
    connection: &Connection,
    mut waiting: mpsc::Receiver<Message>,
    commit_rows_max: usize,
    counters: &WriteCounters,
) -> Option<oneshot::Sender<()>> {
    while let Some(first) = waiting.blocking_recv() {
        let mut batch = Vec::new();
        let mut rows = 0;
        let mut next = Some(first);
        let mut stop = None;
        while let Some(message) = next {
            match message {
                Message::Write(job) => {
                    rows += job.rows.max(1);
                    batch.push(job);
                }
                Message::Stop(stopped) => {
                    stop = Some(stopped);
                    break;
                }
            }
            next = if rows < commit_rows_max { waiting.try_recv().ok() } else { None };
        }
        if !batch.is_empty() {
            commit(connection, batch, counters);
        }
        if stop.is_some() {
            return stop;
        }
    }
    None
}

/// Runs all jobs in one transaction, each under a savepoint of its own, and answers them after the sync.
fn commit(connection: &Connection, batch: Vec<Job>, counters: &WriteCounters) {
    let mut done = Vec::with_capacity(batch.len());
    let committed = run_all(connection, batch, &mut done);
    if committed.is_ok() {
        counters.committed(done.len());
    } else if !connection.is_autocommit()
        && let Err(source) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(error = %source, "roll back a failed commit");
    }
    for job in done {
        (job.answer)(committed.clone());
    }
}

fn run_all(connection: &Connection, batch: Vec<Job>, done: &mut Vec<Done>) -> Result<(), StoreError> {
    let step = |sql: &str| connection.prepare_cached(sql).and_then(|mut s| s.execute([])).map_err(error);
    let mut state = step("BEGIN IMMEDIATE").map(|_| ());
    for job in batch {
        if state.is_ok() {
            state = step("SAVEPOINT job").map(|_| ());
        }
        if let Err(failure) = &state {
            // The transaction is lost: the rest of the batch is not even tried.
            done.push((job.run)(Err(failure.clone())));
            continue;
        }
        let ran = (job.run)(Ok(connection));
        if connection.is_autocommit() {
            // Errors such as a full disk make SQLite undo the whole transaction, the earlier jobs' work too.
            state = Err(StoreError::unavailable(Undone));
        } else if !ran.keep {
            state = step("ROLLBACK TO job").map(|_| ());
        }
        if state.is_ok() {
            state = step("RELEASE job").map(|_| ());
        }
        done.push(ran);
    }
    state?;
    step("COMMIT").map(|_| ())
}

#[derive(Debug, thiserror::Error)]
#[error("the database undid the transaction")]
struct Undone;
