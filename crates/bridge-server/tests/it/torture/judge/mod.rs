//! Whether the log holds what a path promises.

mod each;
mod last;

pub(super) use each::{Course, compare};
pub(super) use last::{Lives, digest, states};

use super::odoo::FEED;
use super::script::TABLES;
use super::stand::Stand;
use super::writers::Change;
use super::{Promise, Versions};
use crate::support::{eventually, within};
use serde_json::Value;
use std::time::Duration;
use tokio_postgres::Row;

/// How long anything may take. A server that was killed comes back only when it has gone through all its files.
pub(super) const PATIENCE: Duration = Duration::from_mins(5);

/// A change as it was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Told {
    pub(super) position: i64,
    pub(super) model: String,
    /// `None` for all records.
    pub(super) record: Option<i64>,
    pub(super) event: String,
    /// The record's version, where it is told.
    pub(super) version: i64,
    pub(super) source_id: Option<String>,
    /// When the service put it into the log, in microseconds since 1970.
    pub(super) received_us: i64,
}

impl Told {
    pub(super) fn of_log(row: &Row) -> Self {
        let (record, image): (Option<String>, Option<String>) = (row.get(2), row.get(4));
        let image = image.map_or(Value::Null, |image| serde_json::from_str(&image).unwrap());
        Self {
            position: row.get(0),
            model: row.get(1),
            record: record.filter(|record| !record.is_empty()).map(|record| record.parse().unwrap()),
            event: row.get(3),
            version: image["version"].as_i64().unwrap_or(0),
            source_id: row.get(5),
            received_us: row.get(6),
        }
    }

    /// Whether it says that a strategy could not read on from where it stood. A `reset` for an emptied table does not.
    fn is_break(&self) -> bool {
        self.event == "reset" && self.source_id.as_ref().is_some_and(|id| id.starts_with("reset:"))
    }
}

/// What was committed in a round.
pub(super) enum Round {
    /// And nothing took it back.
    Plain(Vec<Change>),
    /// The place from which to read was lost in between.
    SlotLost(Vec<Change>),
    /// And then the ERP was put back to a dump.
    Restored {
        before: Vec<Change>,
        /// Whether all of that had been read.
        caught_up: bool,
        /// What the restored ERP still has to tell of what was before the dump.
        left: Vec<Change>,
        after: Vec<Change>,
    },
}

impl Stand {
    /// Waits until the log holds what was committed after `from`, and answers the position of the last change that was
    /// judged. The error says what is wrong.
    pub(super) async fn judge(&self, from: i64, round: Round, lives: &mut Lives) -> Result<i64, String> {
        match self.path.promise {
            Promise::EachChange(versions) => self.judge_each(from, round, versions).await,
            Promise::LastState => self.judge_last(from, &round, lives).await,
        }
    }

    async fn judge_each(&self, from: i64, mut round: Round, versions: Versions) -> Result<i64, String> {
        if !matches!(round, Round::Plain(_)) {
            // Where this is not so in the end, the judgement says it better.
            let mut told = Vec::new();
            within(PATIENCE, async || {
                self.read_on(from, &mut told).await;
                let is_said = |model: &str| told.iter().any(|told| told.is_break() && told.model == model);
                TABLES.iter().all(|(_, model)| is_said(model)).then_some(())
            })
            .await;
        }
        // Whatever was committed before this one is read with it or was before.
        let last = self.write_last().await;
        let (Round::Plain(changes) | Round::SlotLost(changes) | Round::Restored { after: changes, .. }) = &mut round;
        changes.push(last.clone());
        let wanted = match &round {
            Round::Plain(changes) => changes.len(),
            _ => 0,
        };
        let mut told = Vec::new();
        within(PATIENCE, async || {
            self.read_on(from, &mut told).await;
            // Before the ERP was put back, the same id may have been another record's.
            let begins = told.iter().rposition(Told::is_break).map_or(0, |at| at + 1);
            let is_last = |told: &Told| told.model == last.model && told.record == last.record;
            if told.len() < wanted || !told[begins..].iter().any(is_last) {
                return None;
            }
            let Some(sql) = self.path.is_drained else { return Some(()) };
            self.erp.ask(sql, &[]).await.get::<_, bool>(0).then_some(())
        })
        .await;
        if let Some(sql) = self.path.is_drained
            && !self.erp.ask(sql, &[]).await.get::<_, bool>(0)
        {
            return Err("something is left in the queue".to_owned());
        }
        self.read_on(from, &mut told).await;
        let course = match round {
            Round::Plain(changes) => Course::Whole(changes),
            Round::SlotLost(changes) => Course::Gap(changes),
            Round::Restored { before, caught_up, mut left, after } => {
                left.extend(after);
                Course::Restored { before, is_whole: caught_up, after: left, may_gap: self.path.can_lose_slot }
            }
        };
        compare(&course, &told, versions).map_err(|wrong| {
            // Tells what never came from what only stopped coming.
            let last_us = told.last().map_or(0, |told| told.received_us);
            format!("{wrong}; {} changes were told, the last at {last_us}", told.len())
        })?;
        Ok(told.last().map_or(from, |told| told.position))
    }

    /// Adds what the log holds besides by now. Nothing is ever put between.
    async fn read_on(&self, from: i64, told: &mut Vec<Told>) {
        let read_to = told.last().map_or(from, |told| told.position);
        told.extend(self.told(read_to).await);
    }

    async fn judge_last(&self, from: i64, round: &Round, lives: &mut Lives) -> Result<i64, String> {
        let Round::Plain(changes) = round else { return Err("a restore is not promised to be noticed".to_owned()) };
        // The longest transaction ends, and something happens from which the service learns what time it is.
        let put_forward = "UPDATE torture_clock SET behind = behind - make_interval(secs => $1) RETURNING 1";
        self.erp.ask(put_forward, &[&self.jump.as_secs_f64()]).await;
        lives.commit(changes);
        lives.commit(&[self.write_last().await]);
        let Some(states) = within(PATIENCE, async || states(&*self.erp.open().await.ok()?).await).await else {
            return Err("the ERP's database does not answer".to_owned());
        };
        let (mut read_to, mut wrong) = (from, Ok(()));
        within(PATIENCE, async || {
            let told = self.told(read_to).await;
            read_to = told.last().map_or(read_to, |told| told.position);
            wrong = lives.tell(&told).and_then(|()| lives.are_told(&states)).and_then(|()| lives.are_real(&states));
            wrong.is_ok().then_some(())
        })
        .await;
        wrong.map(|()| read_to)
    }

    /// Waits until the log holds all of these changes. Where it does not, the judgement says which.
    pub(super) async fn caught_up(&self, from: i64, committed: &[Change]) {
        within(PATIENCE, async || (self.count(from).await >= i64::try_from(committed.len()).unwrap()).then_some(()))
            .await;
    }

    /// What the ERP still has to tell, after it was put back to a dump: the queue and the event table are part of it.
    pub(super) async fn left(&self) -> Vec<Change> {
        let Some(sql) = self.path.left else { return Vec::new() };
        let rows = eventually("what is left is read", PATIENCE, async || {
            self.erp.open().await.ok()?.query(sql, &[]).await.ok()
        })
        .await;
        let change = |row: &Row| {
            let name: String = row.get(0);
            let (_, model) = TABLES.iter().find(|(table, model)| name == *table || name == *model)?;
            let event = match row.get::<_, String>(2).as_str() {
                "I" | "create" => "create",
                "U" | "write" => "write",
                "D" | "unlink" => "unlink",
                "T" => "reset",
                other => panic!("{FEED} tells of {other}"),
            };
            let (record, version) = (row.get(1), row.get::<_, Option<i64>>(3).unwrap_or(0));
            Some(Change { model: (*model).to_owned(), record, version, event, committed_us: 0 })
        };
        rows.iter().filter_map(change).collect()
    }
}

impl Versions {
    /// The version that the log tells of a change.
    fn of(self, event: &str, version: i64) -> i64 {
        match self {
            Self::Untold => 0,
            Self::OfRowsThatAre if event == "unlink" => 0,
            Self::OfRowsThatAre | Self::OfAllRows => version,
        }
    }
}
