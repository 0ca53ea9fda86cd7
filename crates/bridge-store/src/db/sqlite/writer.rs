//! The one writer: a thread that takes whatever is waiting, commits it once, and only then answers everybody.

use super::append::append_all;
use super::{Writing, error};
use crate::db::{Item, WriteCounters};
use crate::log::Appended;
use crate::{LogSpan, SourceState, StoreError, StoreOptions};
use bridge_model::{SystemKey, TenantId};
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
    Work(Work),
    Stop(oneshot::Sender<()>),
}

enum Work {
    // In a box: it is moved from one list to the next.
    Append(Box<Appending>),
    Call(Call),
}

/// An append and who waits for it.
struct Appending {
    item: Item,
    // Both end when it is known whether the append was kept, before the caller is told.
    span: Writing<TenantId, LogSpan>,
    source: Option<Writing<(TenantId, SystemKey), SourceState>>,
    answer: oneshot::Sender<Result<Appended, StoreError>>,
}

/// Any other write.
struct Call {
    rows: usize,
    /// Does the work, or, given an error, only makes the answer of it.
    run: Run,
}

/// What was written is kept with `Ok` and undone with `Err`.
type Run = Box<dyn FnOnce(Result<&Connection, StoreError>) -> Result<Answer, Answer> + Send>;

/// Tells the caller, once it is known whether the commit succeeded.
type Answer = Box<dyn FnOnce(Result<(), StoreError>)>;

/// Work that was done but is not yet committed.
enum Done {
    Append(Box<Appending>, Result<Appended, StoreError>),
    Call(Answer),
}

impl Writer {
    /// One that refuses everything, for a database that is only looked at.
    pub(super) fn refusing() -> Self {
        let (queue, _) = mpsc::channel(1);
        Self { queue }
    }

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

    /// Appends, and returns when that is durable. It writes a tenant's log and, if it carries progress, a source.
    pub(super) async fn append(
        &self,
        item: Item,
        span: Writing<TenantId, LogSpan>,
        source: Option<Writing<(TenantId, SystemKey), SourceState>>,
    ) -> Result<Appended, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.send(Work::Append(Box::new(Appending { item, span, source, answer })))?;
        answered.await.map_err(|_| StoreError::closed())?
    }

    /// Runs `work`, which writes about `rows` rows, and returns when its effects are durable.
    pub(super) async fn submit<T: Send + 'static>(
        &self,
        rows: usize,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let run = Box::new(move |connection: Result<&Connection, StoreError>| {
            let result = connection.and_then(work);
            let keep = result.is_ok();
            let answer: Answer = Box::new(move |committed| {
                // A caller that has gone away needs no answer.
                let _ = answer.send(result.and_then(|value| committed.map(|()| value)));
            });
            if keep { Ok(answer) } else { Err(answer) }
        });
        self.send(Work::Call(Call { rows, run }))?;
        answered.await.map_err(|_| StoreError::closed())?
    }

    fn send(&self, work: Work) -> Result<(), StoreError> {
        self.queue.try_send(Message::Work(work)).map_err(|refused| match refused {
            mpsc::error::TrySendError::Full(_) => StoreError::Busy,
            mpsc::error::TrySendError::Closed(_) => StoreError::closed(),
        })
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

impl Work {
    fn rows(&self) -> usize {
        match self {
            Self::Append(append) => append.item.batch.rows(),
            Self::Call(call) => call.rows,
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
                Message::Work(work) => {
                    rows += work.rows().max(1);
                    batch.push(work);
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

/// Does all work in one transaction, and answers it after the sync.
fn commit(connection: &Connection, batch: Vec<Work>, counters: &WriteCounters) {
    let mut group = Group { connection, state: Ok(()), done: Vec::with_capacity(batch.len()) };
    group.step("BEGIN IMMEDIATE");
    let mut appends = Vec::new();
    for work in batch {
        match work {
            Work::Append(append) if append.item.batch.is_only_changes() => appends.push(append),
            other => {
                group.append_together(std::mem::take(&mut appends));
                group.run_alone(other);
            }
        }
    }
    group.append_together(appends);
    group.step("COMMIT");
    let Group { state: committed, done, .. } = group;
    if committed.is_ok() {
        counters.committed(done.len());
    } else if !connection.is_autocommit()
        && let Err(source) = connection.execute_batch("ROLLBACK")
    {
        tracing::error!(error = %source, "roll back a failed commit");
    }
    for done in done {
        done.answer(&committed);
    }
}

/// A transaction that carries the work of many callers.
struct Group<'a> {
    connection: &'a Connection,
    /// An error once the transaction is lost: then the rest is not even tried.
    state: Result<(), StoreError>,
    done: Vec<Done>,
}

impl Group<'_> {
    fn step(&mut self, sql: &str) {
        if self.state.is_ok() {
            let ran = self.connection.prepare_cached(sql).and_then(|mut statement| statement.execute([]));
            self.state = ran.map(drop).map_err(error);
        }
    }

    /// Runs `work` under a savepoint, so that an error of it undoes what it did and nothing else. It is given an error
    /// if the transaction is lost.
    fn attempt<T, E>(&mut self, work: impl FnOnce(Result<&Connection, StoreError>) -> Result<T, E>) -> Result<T, E> {
        self.step("SAVEPOINT job");
        if let Err(failure) = &self.state {
            return work(Err(failure.clone()));
        }
        let result = work(Ok(self.connection));
        if self.connection.is_autocommit() {
            // Errors such as a full disk make SQLite undo the whole transaction, the earlier work too.
            self.state = Err(StoreError::unavailable(Undone));
        } else if result.is_err() {
            self.step("ROLLBACK TO job");
        }
        self.step("RELEASE job");
        result
    }

    /// Appends that carry changes and nothing else. It is rare that one is refused, so that they share a savepoint;
    /// when it happens, each is tried by itself.
    #[expect(clippy::vec_box, reason = "they stay in the boxes in which they came")]
    fn append_together(&mut self, appends: Vec<Box<Appending>>) {
        if appends.len() < 2 {
            return appends.into_iter().for_each(|append| self.run_alone(Work::Append(append)));
        }
        let items = appends.iter().map(|append| &append.item);
        match self.attempt(|connection| append_all(connection?, items)) {
            Ok(appended) => {
                let done = appends.into_iter().zip(appended);
                self.done.extend(done.map(|(append, appended)| Done::Append(append, Ok(appended))));
            }
            Err(_) => appends.into_iter().for_each(|append| self.run_alone(Work::Append(append))),
        }
    }

    fn run_alone(&mut self, work: Work) {
        let done = match work {
            Work::Append(append) => {
                let item = std::iter::once(&append.item);
                let appended = self.attempt(|connection| append_all(connection?, item));
                let appended = appended.and_then(|mut all| all.pop().ok_or(StoreError::NotFound));
                Done::Append(append, appended)
            }
            Work::Call(call) => Done::Call(self.attempt(call.run).unwrap_or_else(|answer| answer)),
        };
        self.done.push(done);
    }
}

impl Done {
    fn answer(self, committed: &Result<(), StoreError>) {
        match self {
            Self::Append(append, appended) => {
                let Appending { span, source, answer, .. } = *append;
                let result = appended.and_then(|appended| committed.clone().map(|()| appended));
                if let Ok(Appended { head, .. }) = result {
                    span.done(|known| known.map(|span| LogSpan { up_to: span.up_to.max(head), ..span }));
                }
                drop(source);
                // A caller that has gone away needs no answer.
                let _ = answer.send(result);
            }
            Self::Call(answer) => answer(committed.clone()),
        }
    }
}

#[derive(Debug, thiserror::Error)]
#[error("the database undid the transaction")]
struct Undone;
