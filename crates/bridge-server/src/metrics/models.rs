//! A counter for each model and event, for a bounded number of models.

use bridge_model::{Event, ModelName};
use prometheus::{IntCounter, IntCounterVec};
use std::collections::{HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock};

/// The label of the models that have no line of their own.
const OTHER: &str = "other";

/// The counters, each looked up by its labels only once.
#[derive(Debug)]
pub(super) struct Models {
    counters: IntCounterVec,
    lines_max: usize,
    known: RwLock<HashMap<ModelName, Arc<OfModel>>>,
    other: Arc<OfModel>,
}

impl Models {
    /// Counters with the labels `model` and `operation`.
    pub(super) fn new(counters: IntCounterVec, lines_max: usize) -> Self {
        let other = Arc::new(OfModel::of(&counters, OTHER));
        Self { counters, lines_max, known: RwLock::default(), other }
    }

    /// The counter of this model and event.
    pub(super) fn counter(&self, model: &ModelName, event: Event) -> IntCounter {
        if let Some(of_model) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(model) {
            return of_model.counter(event).clone();
        }
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if !known.contains_key(model) && known.len() >= self.lines_max {
            return self.other.counter(event).clone();
        }
        let of_model =
            known.entry(model.clone()).or_insert_with(|| Arc::new(OfModel::of(&self.counters, model.as_str())));
        of_model.counter(event).clone()
    }
}

/// The models that have a line of their own in a metric whose other labels vary.
#[derive(Debug, Default)]
pub(super) struct KnownModels(RwLock<HashSet<ModelName>>);

impl KnownModels {
    /// What the model is called there.
    pub(super) fn label(&self, model: &ModelName, is_real: bool, lines_max: usize) -> String {
        if self.0.read().unwrap_or_else(PoisonError::into_inner).contains(model) {
            return model.to_string();
        }
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if !is_real || known.len() >= lines_max {
            return OTHER.to_owned();
        }
        known.insert(model.clone());
        model.to_string()
    }
}

/// The counters of one model.
#[derive(Debug)]
struct OfModel {
    create: IntCounter,
    write: IntCounter,
    unlink: IntCounter,
    manual: IntCounter,
    reset: IntCounter,
}

impl OfModel {
    fn of(counters: &IntCounterVec, model: &str) -> Self {
        let counter = |event: Event| counters.with_label_values(&[model, event.as_str()]);
        Self {
            create: counter(Event::Create),
            write: counter(Event::Write),
            unlink: counter(Event::Unlink),
            manual: counter(Event::Manual),
            reset: counter(Event::Reset),
        }
    }

    fn counter(&self, event: Event) -> &IntCounter {
        match event {
            Event::Create => &self.create,
            Event::Write => &self.write,
            Event::Unlink => &self.unlink,
            Event::Manual => &self.manual,
            Event::Reset => &self.reset,
        }
    }
}
