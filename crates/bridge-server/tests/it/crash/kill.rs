//! `kill -9` at random moments under load: what got a 2xx is in the log once.

use super::process::{Process, push};
use crate::support::{Setup, on_both_databases};
use rand::{Rng as _, SeedableRng as _};
use rand_chacha::ChaCha8Rng;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// How often the service is killed.
const KILLS: usize = 50;

/// How many push at once.
const PUSHERS: usize = 16;

/// The seed of the moments at which it is killed.
const SEED: u64 = 20_251_116;

/// Kills the service while events pour in, each time after a random number of answers, and sends whatever got no
/// answer again to the next one, as an ERP does.
async fn every_acknowledged_event_is_in_the_log_once(setup: Setup) {
    let mut random = ChaCha8Rng::seed_from_u64(SEED);
    let first = Process::start(&setup).await;
    let key = first.register(&first.admin().await).await;
    first.kill_9().await;

    let next_id = Arc::new(AtomicI64::new(1));
    let mut acknowledged = BTreeSet::new();
    let mut repeated_first: Vec<i64> = Vec::new();
    for _ in 0..KILLS {
        let process = Process::start(&setup).await;
        // What the last kill left without an answer is repeated first: it may be in the log or not.
        for id in repeated_first.drain(..) {
            assert!(process.push(&key, id).await.unwrap(), "event {id} was refused");
            acknowledged.insert(id);
        }
        let kill_after = random.random_range(1..120);
        let load = load_until(process, &key, &next_id, kill_after).await;
        acknowledged.extend(load.answered);
        repeated_first = load.open;
    }

    let survivor = Process::start(&setup).await;
    let mut times_in_log = BTreeMap::new();
    for record in survivor.log(&survivor.admin().await).await {
        *times_in_log.entry(record).or_insert(0) += 1;
    }
    let lost: Vec<&i64> = acknowledged.iter().filter(|id| !times_in_log.contains_key(id)).collect();
    let doubled: Vec<(&i64, &i32)> = times_in_log.iter().filter(|(_, times)| **times > 1).collect();
    assert!(lost.is_empty(), "acknowledged but not in the log: {lost:?}");
    assert!(doubled.is_empty(), "in the log more than once: {doubled:?}");
    assert!(acknowledged.len() >= KILLS, "hardly anything was pushed: {}", acknowledged.len());
}
on_both_databases!(every_acknowledged_event_is_in_the_log_once);

/// What became of the events of a load.
#[derive(Default)]
struct Load {
    answered: Vec<i64>,
    open: Vec<i64>,
}

impl Load {
    /// Adds what one pusher did: what was answered, and the last event, which was not.
    fn note(&mut self, (answered, last): (Vec<i64>, i64)) {
        self.answered.extend(answered);
        self.open.push(last);
    }
}

/// Pushes from many sides, kills the service after so many answers, and gives back the events that were answered and
/// those that were not.
async fn load_until(process: Process, key: &str, next_id: &Arc<AtomicI64>, kill_after: usize) -> Load {
    let answers = Arc::new(AtomicUsize::new(0));
    let enough = Arc::new(Notify::new());
    let mut pushers = JoinSet::new();
    for _ in 0..PUSHERS {
        let (http, base, key) = (process.http.clone(), process.base.clone(), key.to_owned());
        let (next_id, answers, enough) = (Arc::clone(next_id), Arc::clone(&answers), Arc::clone(&enough));
        pushers.spawn(async move {
            let mut answered = Vec::new();
            loop {
                let id = next_id.fetch_add(1, Ordering::SeqCst);
                match push(&http, &base, &key, id).await {
                    Ok(true) => answered.push(id),
                    Ok(false) => panic!("event {id} was refused"),
                    Err(_) => return (answered, id),
                }
                if answers.fetch_add(1, Ordering::SeqCst) + 1 >= kill_after {
                    enough.notify_one();
                }
            }
        });
    }
    let mut load = Load::default();
    loop {
        tokio::select! {
            () = enough.notified() => break,
            // A pusher whose connection broke by itself ends early; with the last of them, so does the load.
            ended = pushers.join_next() => match ended {
                Some(pusher) => load.note(pusher.unwrap()),
                None => break,
            }
        }
    }
    process.kill_9().await;
    while let Some(pusher) = pushers.join_next().await {
        load.note(pusher.unwrap());
    }
    load
}
