//! Reading the log of the ERP's database.

mod database;
mod discovered;
mod doctor;
mod faults;
mod install;
mod tables;
mod writers;

use bridge_model::{Change, ModelName, Strategy};

fn model(name: &str) -> ModelName {
    ModelName::parse(name).unwrap()
}

/// The changes of a log in short: model, record, event.
fn short(log: &[Change]) -> Vec<String> {
    let line = |change: &Change| {
        let body = &change.body;
        let record = body.record_id.as_ref().map_or("all".to_owned(), ToString::to_string);
        format!("{} {record} {}", body.model, body.event)
    };
    log.iter().map(line).collect()
}

/// What is owned here, unless a test says otherwise.
const OWNED: [(&str, Strategy); 2] = [("res.partner", Strategy::Wal), ("sale.order", Strategy::Wal)];
