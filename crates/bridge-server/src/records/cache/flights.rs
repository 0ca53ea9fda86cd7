//! One read for all who ask for the same at the same time.

use super::Key;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::OwnedMutexGuard;

/// The reads that are going on.
#[derive(Debug, Default)]
pub(super) struct Flights(Mutex<HashMap<Key, Arc<tokio::sync::Mutex<()>>>>);

/// One's turn to read, or to find what another has read. It ends when this is dropped, also when the request goes away
/// or the read fails: the next one then tries for itself.
#[derive(Debug)]
pub(super) struct Turn<'a> {
    flights: &'a Flights,
    key: &'a Key,
    held: Option<OwnedMutexGuard<()>>,
}

impl Flights {
    /// Waits for one's turn, for at most `patience`; after that one reads beside the others.
    pub(super) async fn turn<'a>(&'a self, key: &'a Key, patience: Duration) -> Turn<'a> {
        let flight = {
            let mut flights = self.0.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(flights.entry(key.clone()).or_default())
        };
        // Made before the wait, so that whoever goes away while waiting leaves nothing behind.
        let mut turn = Turn { flights: self, key, held: None };
        turn.held = tokio::time::timeout(patience, flight.lock_owned()).await.ok();
        turn
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut flights = self.flights.0.lock().unwrap_or_else(PoisonError::into_inner);
        self.held = None;
        // Whoever waits or reads has a hold on it, besides the map.
        if flights.get(self.key).is_some_and(|flight| Arc::strong_count(flight) == 1) {
            flights.remove(self.key);
        }
    }
}
