//! The readers: a few threads, each with a connection that cannot write, taking from one bounded queue.

use crate::StoreError;
use rusqlite::Connection;
use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use tokio::sync::oneshot;

/// The way to the reader threads.
pub(super) struct Readers {
    queue: Arc<Queue>,
}

type Job = Box<dyn FnOnce(&Connection) + Send>;

struct Queue {
    state: Mutex<State>,
    changed: Condvar,
    waiting_max: usize,
}

#[derive(Default)]
struct State {
    waiting: VecDeque<Job>,
    closed: bool,
}

impl Readers {
    pub(super) fn start(connections: Vec<Connection>, queue_max: usize) -> Result<Self, StoreError> {
        let queue = Arc::new(Queue { state: Mutex::default(), changed: Condvar::new(), waiting_max: queue_max });
        let readers = Self { queue };
        for (number, connection) in connections.into_iter().enumerate() {
            let queue = Arc::clone(&readers.queue);
            std::thread::Builder::new()
                .name(format!("store-reader-{number}"))
                .spawn(move || {
                    while let Some(job) = queue.next() {
                        job(&connection);
                    }
                })
                .map_err(StoreError::unavailable)?;
        }
        Ok(readers)
    }

    pub(super) async fn submit<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (answer, answered) = oneshot::channel();
        let job: Job = Box::new(move |connection| {
            // Nobody waits for the answer of a request that was cut off.
            if !answer.is_closed() {
                let _ = answer.send(work(connection));
            }
        });
        {
            let mut state = self.queue.lock();
            if state.closed {
                return Err(StoreError::closed());
            }
            if state.waiting.len() >= self.queue.waiting_max {
                return Err(StoreError::Busy);
            }
            state.waiting.push_back(job);
        }
        self.queue.changed.notify_one();
        answered.await.map_err(|_| StoreError::closed())?
    }

    pub(super) fn close(&self) {
        self.queue.lock().closed = true;
        self.queue.changed.notify_all();
    }
}

impl Drop for Readers {
    fn drop(&mut self) {
        self.close();
    }
}

impl fmt::Debug for Readers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Readers").field("waiting_max", &self.queue.waiting_max).finish_non_exhaustive()
    }
}

impl Queue {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for work; `None` when closed and everything queued is done.
    fn next(&self) -> Option<Job> {
        let mut state = self.lock();
        loop {
            if let Some(job) = state.waiting.pop_front() {
                return Some(job);
            }
            if state.closed {
                return None;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }
}
