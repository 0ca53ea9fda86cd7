//! One look at a model: what was written, what was made and what was deleted since the last.

use super::digest::digest;
use super::known::{Known, Noted, Target};
use super::rows::{self, Place, Row};
use super::session::{Failure, Session, second_of, time_of};
use super::trail::{self, Window};
use crate::config::ms;
use bridge_erp::ErpErrorKind;
use bridge_model::{Event, NewChange, Origin, RecordId, SourceId};
use serde_json::{Value, json};
use std::collections::HashMap;
use std::time::Duration;
use tokio::time::Instant;

/// What a look found.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Found {
    /// Changes that were put into the log, repeats included.
    pub(super) changes: usize,
    /// Records of which the log is to be told once their second is over.
    pub(super) fresh: usize,
    /// Records read.
    rows: usize,
    /// Whether records are told of whose second is not over.
    is_last: bool,
}

/// How long a record's second takes to be over after the record was seen.
const SECOND: Duration = Duration::from_secs(1);

/// How many seconds what is settled may run ahead of what is durable, so that a model in which nothing happens is not
/// saved at each look.
const UNSAVED_MAX_S: i64 = 60;

/// A range with no more records than this is listed instead of halved further.
const LISTED_MAX: u64 = 1_000;

/// How many records are compared one by one at once where they have no times.
const WALKED_MAX: usize = 1_000;

/// How a look is done.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// Whether it reaches back over the longest transaction; another one reaches back over a short time.
    pub(super) is_thorough: bool,
    /// Whether records are told of whose second is not over. What is written within it later is somebody else's.
    pub(super) is_last: bool,
}

/// How long a record is remembered that was seen before its second was over.
const FRESH: Duration = Duration::from_mins(1);

/// Looks at a model.
pub(super) async fn look(
    session: &mut Session<'_>,
    target: &Target,
    known: &mut Known,
    Manner { is_thorough, is_last }: Manner,
) -> Result<Found, Failure> {
    let began = Instant::now();
    let ended_before = session.ended_before(began);
    known.fresh.retain(|_, (_, since)| began.saturating_duration_since(*since) < FRESH);
    let mut found = Found { is_last, ..Found::default() };
    if target.has_write_date {
        let from = if is_thorough { thorough_from(known) } else { quick_from(session, known) };
        written_since(session, target, known, from, &mut found).await?;
        if is_thorough {
            known.thorough = Some((began, found.rows));
            settle(session, target, known, ended_before, &mut found).await?;
        }
    } else {
        made_since(session, target, known, &mut found).await?;
    }
    deleted(session, target, known, &mut found).await?;
    if !target.has_write_date {
        walk(session, target, known, &mut found).await?;
    }
    Ok(found)
}

/// What was written so that it could not be noted is not read again and again: a reset makes up for it.
fn thorough_from(known: &Known) -> i64 {
    let quiet = known.polled.quiet_to.map_or(i64::MIN, |quiet_to| second_of(quiet_to) + 1);
    second_of(known.polled.settled_to).max(quiet)
}

fn quick_from(session: &Session<'_>, known: &Known) -> i64 {
    let overlap = ms(session.cx.config.detection.poll.overlap_ms);
    thorough_from(known).max(second_of(known.polled.seen_to.minus(overlap)))
}

/// Goes through everything that was written in this second or later.
async fn written_since(
    session: &mut Session<'_>,
    target: &Target,
    known: &mut Known,
    from: i64,
    found: &mut Found,
) -> Result<(), Failure> {
    let mut place = Place::From(from);
    loop {
        let (rows, next) = rows::page(session, target, place).await?;
        found.rows += rows.len();
        tell(session, target, known, &rows, found).await?;
        match next {
            Some(next) => place = next,
            None => break,
        }
    }
    if known.noted.len() >= session.cx.config.detection.poll.noted_max && found.fresh == 0 {
        // More was written than can be noted. All of it was told; what transactions that are open now write within
        // the same seconds is made up for by a reset when they must have ended.
        known.noted.clear();
        known.polled.quiet_to = Some(known.polled.seen_to);
        known.save(session, target, Vec::new(), false).await?;
    }
    Ok(())
}

/// Goes through the ids above those that are known, of a model whose records don't tell when they were written.
async fn made_since(
    session: &mut Session<'_>,
    target: &Target,
    known: &mut Known,
    found: &mut Found,
) -> Result<(), Failure> {
    let limit = session.cx.config.detection.poll.rows_max;
    loop {
        let rows = rows::by_id(session, target, known.ids.max() + 1, i64::from(i32::MAX), limit).await?;
        tell(session, target, known, &rows, found).await?;
        if rows.len() < limit as usize {
            return Ok(());
        }
    }
}

/// Tells the log of those of the records that it does not know as they are.
async fn tell(
    session: &mut Session<'_>,
    target: &Target,
    known: &mut Known,
    rows: &[Row],
    found: &mut Found,
) -> Result<(), Failure> {
    let now = Instant::now();
    for second in rows.iter().filter_map(|row| row.written) {
        if session.observe(second, now) {
            known.polled.seen_to = known.polled.seen_to.max(time_of(second));
        }
    }
    let reached = session.reached(now).unwrap_or(i64::MIN);
    let mut news: Vec<Row> = Vec::new();
    for row in rows {
        if is_news(known, row) {
            let noted_max = session.cx.config.detection.poll.noted_max;
            if found.is_last || is_over(known, row, (reached, now), noted_max) {
                news.push(*row);
            } else {
                found.fresh += 1;
            }
        }
    }
    if news.is_empty() {
        return Ok(());
    }
    let ids: Vec<i64> = news.iter().map(|row| row.id).collect();
    let seen = if target.has_write_date { digests(session, target, known, &ids).await? } else { HashMap::new() };
    let noted_max = session.cx.config.detection.poll.noted_max;
    let (mut changes, mut windows) = (Vec::with_capacity(news.len()), Vec::with_capacity(news.len()));
    for row in news {
        let digest = seen.get(&row.id).map(|seen| seen.digest);
        if target.has_write_date && digest.is_none() {
            // It was deleted meanwhile, which the count will show if the log knows of it.
            continue;
        }
        known.fresh.remove(&row.id);
        windows.push(window(known, &row));
        if let (Some(second), Some(digest)) = (row.written, digest)
            && (known.noted.len() < noted_max || known.noted.contains_key(&row.id))
        {
            known.noted.insert(row.id, Noted { second, digest });
        }
        let event = if known.ids.insert(row.id) { Event::Create } else { Event::Write };
        let user_id = seen.get(&row.id).and_then(|seen| seen.user_of(event));
        changes.push(NewChange { erp_user_id: user_id, ..change(session, target, &row, event, digest) });
    }
    trail::complete(session, target, known, &mut changes, &windows).await?;
    found.changes += changes.len();
    known.save(session, target, changes, false).await
}

/// When what is now told of a record was written: after what was told of it before.
fn window(known: &Known, row: &Row) -> Window {
    let last = row.written.unwrap_or(i64::MAX);
    let first = match known.noted.get(&row.id) {
        Some(noted) => (noted.second + 1).min(last),
        None => second_of(known.polled.settled_to),
    };
    Window { first, last }
}

/// Whether the log has not been told of the record as it is.
fn is_news(known: &Known, row: &Row) -> bool {
    let Some(second) = row.written else { return !known.ids.contains(row.id) };
    let is_quiet = known.polled.quiet_to.is_some_and(|to| time_of(second) <= to) && known.ids.contains(row.id);
    !is_quiet && known.noted.get(&row.id).is_none_or(|noted| noted.second != second)
}

/// Whether the second in which a record was written is over: until then it can be written again without looking any
/// different.
fn is_over(known: &mut Known, row: &Row, (reached, now): (i64, Instant), fresh_max: usize) -> bool {
    let Some(second) = row.written.filter(|second| *second >= reached) else { return true };
    if known.fresh.len() >= fresh_max && !known.fresh.contains_key(&row.id) {
        // Its turn comes when others have been told.
        return false;
    }
    let (first, since) = known.fresh.entry(row.id).or_insert((second, now));
    if *first != second {
        (*first, *since) = (second, now);
    }
    now.saturating_duration_since(*since) >= SECOND
}

/// A record's contents, and who wrote them.
#[derive(Debug, Clone, Copy)]
struct Seen {
    digest: u64,
    written_by: Option<i64>,
    created_by: Option<i64>,
}

impl Seen {
    fn of(record: &serde_json::Map<String, Value>, names_users: bool) -> Self {
        let user = |field: &str| trail::number(record.get(field)?).filter(|_| names_users);
        Self { digest: digest(record), written_by: user("write_uid"), created_by: user("create_uid") }
    }

    fn user_of(self, event: Event) -> Option<i64> {
        if event == Event::Create { self.created_by } else { self.written_by }
    }
}

/// What stands for the contents of these records, of those that are there.
async fn digests(
    session: &mut Session<'_>,
    target: &Target,
    known: &mut Known,
    ids: &[i64],
) -> Result<HashMap<i64, Seen>, Failure> {
    let names_users = session.cx.config.detection.trail.enabled;
    let fields = contents(session, target, known).await?;
    let fields: Vec<&str> = fields.iter().map(String::as_str).collect();
    let mut digests = HashMap::with_capacity(ids.len());
    let mut parts: Vec<&[i64]> = ids.chunks(session.cx.config.detection.poll.rows_max as usize).collect();
    while let Some(part) = parts.pop() {
        let limit = u32::try_from(part.len()).unwrap_or(u32::MAX);
        match session.read(&target.model, json!([["id", "in", part]]), &fields, "id", limit).await {
            Ok(records) => {
                let seen =
                    |record: &serde_json::Map<_, _>| Some((record.get("id")?.as_i64()?, Seen::of(record, names_users)));
                digests.extend(records.iter().filter_map(seen));
            }
            Err(Failure::Erp(error)) if error.kind == ErpErrorKind::TooLarge && part.len() > 1 => {
                parts.extend([&part[..part.len() / 2], &part[part.len() / 2..]]);
            }
            Err(Failure::Erp(error)) if is_of_fields(error.kind) && known.contents.as_ref() != Some(&bare()) => {
                // Some field can't be read: what is left tells of fewer changes within a second.
                tracing::info!(model = %target.model, error = %error, "a model is compared by its times alone");
                known.contents = Some(bare());
                return Box::pin(self::digests(session, target, known, ids)).await;
            }
            Err(failure) => return Err(failure),
        }
    }
    Ok(digests)
}

/// What every record with times can be asked for.
fn bare() -> Vec<String> {
    vec!["id".to_owned(), "write_date".to_owned()]
}

fn is_of_fields(kind: ErpErrorKind) -> bool {
    matches!(
        kind,
        ErpErrorKind::AccessDenied
            | ErpErrorKind::InvalidRequest
            | ErpErrorKind::TooLarge
            | ErpErrorKind::Internal
            | ErpErrorKind::Protocol
    )
}

async fn contents(session: &mut Session<'_>, target: &Target, known: &mut Known) -> Result<Vec<String>, Failure> {
    if let Some(fields) = &known.contents {
        return Ok(fields.clone());
    }
    let fields = match session.fields(&target.model).await {
        Err(Failure::Erp(error)) if is_of_fields(error.kind) || error.kind == ErpErrorKind::UnknownMethod => bare(),
        Err(failure) => return Err(failure),
        Ok(fields) => {
            known.has_messages = fields.iter().any(|field| field.name == "message_ids");
            // Files are not read, and what other records say of this one is theirs.
            let kept =
                fields.into_iter().filter(|field| field.stored && field.kind != "binary" && field.kind != "one2many");
            kept.map(|field| field.name).collect()
        }
    };
    known.contents = Some(fields.clone());
    Ok(fields)
}

/// Lets go of the records that no open transaction can have written, after a last look at what they hold: a second
/// write within the same second, by a transaction that took long, shows only there.
async fn settle(
    session: &mut Session<'_>,
    target: &Target,
    known: &mut Known,
    ended_before: Option<i64>,
    found: &mut Found,
) -> Result<(), Failure> {
    let Some(to) = ended_before.filter(|to| *to > second_of(known.polled.settled_to)) else { return Ok(()) };
    let leaving: HashMap<i64, Noted> =
        known.noted.iter().filter(|(_, noted)| noted.second < to).map(|(id, noted)| (*id, *noted)).collect();
    let ids: Vec<i64> = leaving.keys().copied().collect();
    let digests = if ids.is_empty() { HashMap::new() } else { digests(session, target, known, &ids).await? };
    let (mut changes, mut windows) = (Vec::new(), Vec::new());
    for (id, noted) in &leaving {
        known.noted.remove(id);
        if let Some(seen) = digests.get(id).filter(|seen| seen.digest != noted.digest) {
            let row = Row { id: *id, written: Some(noted.second), created: None };
            let user_id = seen.user_of(Event::Write);
            let told = change(session, target, &row, Event::Write, Some(seen.digest));
            changes.push(NewChange { erp_user_id: user_id, ..told });
            windows.push(Window { first: noted.second, last: noted.second });
        }
    }
    trail::complete(session, target, known, &mut changes, &windows).await?;
    if known.polled.quiet_to.is_some_and(|quiet_to| quiet_to < time_of(to)) {
        changes.push(reset(session, target));
        known.polled.quiet_to = None;
    }
    if known.polled.adopted.is_some() && known.noted.is_empty() {
        known.polled.adopted = None;
    }
    known.polled.settled_to = time_of(to);
    if changes.is_empty() && to - known.settled_saved < UNSAVED_MAX_S {
        return Ok(());
    }
    found.changes += changes.len();
    known.save(session, target, changes, false).await
}

/// Finds deleted records: an id never comes back, so that as many records as are known, up to the highest id that is
/// known, means that all of them are there. Otherwise the range is halved until it is short enough to list.
async fn deleted(
    session: &mut Session<'_>,
    target: &Target,
    known: &mut Known,
    found: &mut Found,
) -> Result<(), Failure> {
    let highest = known.ids.max();
    if highest == 0 {
        return Ok(());
    }
    let count = session.count(&target.model, json!([["id", "<=", highest]])).await?;
    let mut ranges = vec![(1, highest, count)];
    while let Some((low, high, count)) = ranges.pop() {
        let expected = known.ids.count(low, high);
        if expected == count {
            continue;
        }
        if low == high || count.max(expected) <= LISTED_MAX {
            compare(session, target, known, (low, high), found).await?;
            continue;
        }
        let middle = low + (high - low) / 2;
        for (low, high) in [(middle + 1, high), (low, middle)] {
            let count = session.count(&target.model, json!([["id", ">=", low], ["id", "<=", high]])).await?;
            ranges.push((low, high, count));
        }
    }
    Ok(())
}

/// Compares some of the records one by one, now these and then the next. A deletion and a creation that was committed
/// late, with an id from before, leave the count as it was; where records have no times, nothing else shows the creation.
async fn walk(session: &mut Session<'_>, target: &Target, known: &mut Known, found: &mut Found) -> Result<(), Failure> {
    let interval = ms(session.cx.config.detection.poll.thorough_interval_ms);
    let (walked_to, walked_at) = known.walked;
    if walked_at.is_some_and(|at| at.elapsed() < interval) {
        return Ok(());
    }
    let part = known.ids.list_from(walked_to + 1, WALKED_MAX);
    if let Some(last) = part.last() {
        compare(session, target, known, (walked_to + 1, *last), found).await?;
    }
    // Behind the last of them it begins anew.
    known.walked = (if part.len() < WALKED_MAX { 0 } else { part[WALKED_MAX - 1] }, Some(Instant::now()));
    Ok(())
}

/// Compares the records of a range with those that are known.
async fn compare(
    session: &mut Session<'_>,
    target: &Target,
    known: &mut Known,
    (low, high): (i64, i64),
    found: &mut Found,
) -> Result<(), Failure> {
    let limit = session.cx.config.detection.poll.rows_max;
    let (mut low, mut is_last) = (low, false);
    while !is_last {
        let rows = rows::by_id(session, target, low, high, limit).await?;
        is_last = rows.len() < limit as usize;
        let end = if is_last { high } else { rows.last().map_or(high, |row| row.id) };
        // What is not known was committed late, with an id from before.
        let unknown: Vec<Row> = rows.iter().filter(|row| !known.ids.contains(row.id)).copied().collect();
        tell(session, target, known, &unknown, found).await?;
        let (mut changes, mut windows) = (Vec::new(), Vec::new());
        for id in known.ids.list(low, end) {
            if rows.binary_search_by_key(&id, |row| row.id).is_err() {
                known.ids.remove(id);
                known.noted.remove(&id);
                let row = Row { id, written: None, created: None };
                changes.push(change(session, target, &row, Event::Unlink, None));
                windows.push(Window { first: second_of(known.polled.settled_to), last: i64::MAX });
            }
        }
        if !changes.is_empty() {
            trail::complete(session, target, known, &mut changes, &windows).await?;
            found.changes += changes.len();
            known.save(session, target, changes, false).await?;
        }
        low = end.saturating_add(1);
    }
    Ok(())
}

fn change(session: &Session<'_>, target: &Target, row: &Row, event: Event, digest: Option<u64>) -> NewChange {
    let Row { id, written, created } = *row;
    let second = if event == Event::Create { created.or(written) } else { written };
    let source_id = match (event, written, digest) {
        // A deletion is told once, since the record is no longer known in the same transaction.
        (Event::Unlink, ..) => None,
        (_, Some(second), Some(digest)) => Some(format!("poll:{}:{id}:{second}:{digest:016x}", target.model)),
        _ => Some(format!("poll:{}:{id}", target.model)),
    };
    let occurred_at = second.map_or_else(|| session.cx.clock.now(), time_of);
    NewChange {
        priority: target.class.priority(),
        origin: Origin::Poll,
        source_id: source_id.map(SourceId),
        ..NewChange::of(session.system.key, target.model.clone(), RecordId::Number(id), event, occurred_at)
    }
}

fn reset(session: &Session<'_>, target: &Target) -> NewChange {
    NewChange {
        record_id: None,
        priority: target.class.priority(),
        origin: Origin::Poll,
        ..NewChange::of(
            session.system.key,
            target.model.clone(),
            RecordId::Number(0),
            Event::Reset,
            session.cx.clock.now(),
        )
    }
}

/// Looks at a model for the first time: its records are taken as they are, and told of only when they change.
pub(super) async fn adopt(session: &mut Session<'_>, target: &Target) -> Result<Known, Failure> {
    let (polled, newest) = first_times(session, target).await?;
    if newest.is_some_and(|second| session.reached(Instant::now()).is_none_or(|reached| reached <= second)) {
        // What is written again within the second in which it was read looks the same.
        tokio::time::sleep(SECOND).await;
    }
    let mut known = Known::of(polled, super::ids::IdSet::default());
    let limit = session.cx.config.detection.poll.ids_max;
    let mut last = 0;
    loop {
        let ids = rows::ids_above(session, target, last, limit).await?;
        for id in &ids {
            known.ids.insert(*id);
        }
        match ids.last() {
            Some(highest) if ids.len() >= limit as usize => last = *highest,
            _ => break,
        }
    }
    if target.has_write_date && !note_recent(session, target, &mut known).await? {
        // Too many to note. Those that are written again within these same seconds, by transactions that are open
        // now, are made up for by a reset when all of these must have ended.
        known.noted.clear();
        known.polled.quiet_to = newest.map(time_of);
    }
    known.polled.adopted = (!known.noted.is_empty()).then(|| super::known::encode(&known.noted));
    known.save(session, target, Vec::new(), true).await?;
    Ok(known)
}

/// From when on writes have to be looked for, and the second of the newest write.
async fn first_times(
    session: &mut Session<'_>,
    target: &Target,
) -> Result<(bridge_store::Polled, Option<i64>), Failure> {
    let newest =
        if target.has_write_date { rows::newest(session, target).await?.and_then(|row| row.written) } else { None };
    let now = Instant::now();
    if let Some(second) = newest {
        session.observe(second, now);
    }
    let settled_to = time_of(session.ended_before(now).unwrap_or(0));
    let seen_to = newest.map_or(settled_to, time_of);
    Ok((bridge_store::Polled { settled_to, seen_to, adopted: None, quiet_to: None }, newest))
}

/// Notes the records that were written within the longest transaction, with what they hold. False: there are too many.
async fn note_recent(session: &mut Session<'_>, target: &Target, known: &mut Known) -> Result<bool, Failure> {
    let noted_max = session.cx.config.detection.poll.noted_max;
    let mut place = Place::From(second_of(known.polled.settled_to));
    loop {
        let asked_at = Instant::now();
        let (rows, next) = rows::page(session, target, place).await?;
        if known.noted.len() + rows.len() > noted_max {
            return Ok(false);
        }
        let ids: Vec<i64> = rows.iter().map(|row| row.id).collect();
        let digests = if ids.is_empty() { HashMap::new() } else { digests(session, target, known, &ids).await? };
        let reached = session.reached(asked_at).unwrap_or(i64::MIN);
        for row in rows {
            if let (Some(second), Some(digest)) = (row.written, digests.get(&row.id)) {
                known.ids.insert(row.id);
                if second >= reached {
                    // It was written while we looked, and may be again in the same second: the next look tells of it.
                    continue;
                }
                known.noted.insert(row.id, Noted { second, digest: digest.digest });
            }
        }
        match next {
            Some(next) => place = next,
            None => return Ok(true),
        }
    }
}
