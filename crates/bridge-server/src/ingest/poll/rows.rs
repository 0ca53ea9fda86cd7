//! Reading records by when they were written.

use super::known::Target;
use super::session::{Failure, Session, second_of, time_of};
use bridge_model::Timestamp;
use serde_json::{Map, Value, json};

/// A record, and when it was made and written, in seconds of the ERP's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Row {
    pub(super) id: i64,
    /// `None` where the record does not tell.
    pub(super) written: Option<i64>,
    pub(super) created: Option<i64>,
}

/// A place on the way through the records in the order of their writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Place {
    /// Everything that was written in this second or later.
    From(i64),
    /// Of what was written in this second, the ids above this one. A second can hold more records than a page, and
    /// finer times can't be asked for.
    Within(i64, i64),
}

/// One page of the records from a place on, and the place after it; `None` if there are no more.
pub(super) async fn page(
    session: &mut Session<'_>,
    target: &Target,
    place: Place,
) -> Result<(Vec<Row>, Option<Place>), Failure> {
    let limit = session.cx.config.detection.poll.rows_max;
    let from = |second: i64| time_of(second).to_odoo();
    let (domain, order) = match place {
        Place::From(second) => (json!([["write_date", ">=", from(second)]]), "write_date, id"),
        Place::Within(second, above) => (
            json!([
                ["write_date", ">=", from(second)],
                ["write_date", "<", from(second.saturating_add(1))],
                ["id", ">", above],
            ]),
            "id",
        ),
    };
    let mut rows = read(session, target, domain, order, limit).await?;
    let is_full = rows.len() >= limit as usize;
    let Some(last) = rows.last().copied() else { return Ok((rows, after(place, None, is_full))) };
    if is_full && matches!(place, Place::From(_)) {
        // The last second may go on beyond the page, in an order that can't be taken up again: it is read by itself.
        rows.retain(|row| row.written < last.written);
    }
    Ok((rows, after(place, Some(last), is_full)))
}

fn after(place: Place, last: Option<Row>, is_full: bool) -> Option<Place> {
    match (place, last) {
        (Place::From(_), Some(last)) if is_full => last.written.map(|second| Place::Within(second, 0)),
        (Place::Within(second, _), Some(last)) if is_full => Some(Place::Within(second, last.id)),
        (Place::Within(second, _), _) => Some(Place::From(second.saturating_add(1))),
        (Place::From(_), _) => None,
    }
}

/// The records from `low` to `high`, by id, at most `limit`.
pub(super) async fn by_id(
    session: &mut Session<'_>,
    target: &Target,
    low: i64,
    high: i64,
    limit: u32,
) -> Result<Vec<Row>, Failure> {
    read(session, target, json!([["id", ">=", low], ["id", "<=", high]]), "id", limit).await
}

/// The ids above `above`, in order, at most `limit`.
pub(super) async fn ids_above(
    session: &mut Session<'_>,
    target: &Target,
    above: i64,
    limit: u32,
) -> Result<Vec<i64>, Failure> {
    let rows = session.read(&target.model, json!([["id", ">", above]]), &["id"], "id", limit).await?;
    Ok(rows.iter().filter_map(|row| row.get("id")?.as_i64()).collect())
}

/// The record that was written last, of those whose time can have come.
pub(super) async fn newest(session: &mut Session<'_>, target: &Target) -> Result<Option<Row>, Failure> {
    // Records without a time would come first.
    let written = json!([["write_date", "<", time_of(session.believed_to() + 1).to_odoo()]]);
    Ok(read(session, target, written, "write_date desc, id desc", 1).await?.pop())
}

async fn read(
    session: &mut Session<'_>,
    target: &Target,
    domain: Value,
    order: &str,
    limit: u32,
) -> Result<Vec<Row>, Failure> {
    let fields: &[&str] = if target.has_write_date { &["id", "write_date", "create_date"] } else { &["id"] };
    let rows = session.read(&target.model, domain, fields, order, limit).await?;
    Ok(rows.iter().filter_map(row).collect())
}

fn row(record: &Map<String, Value>) -> Option<Row> {
    let second = |field: &str| {
        let text = record.get(field)?.as_str()?;
        Timestamp::parse_any(text).ok().map(second_of)
    };
    let id = record.get("id")?.as_i64().filter(|id| *id > 0)?;
    Some(Row { id, written: second("write_date"), created: second("create_date") })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_that_fills_pages_is_gone_through_by_id() {
        let last = Some(Row { id: 9, written: Some(50), created: None });
        for (place, last, is_full, next) in [
            (Place::From(10), None, false, None),
            (Place::From(10), last, false, None),
            (Place::From(10), last, true, Some(Place::Within(50, 0))),
            (Place::Within(50, 0), last, true, Some(Place::Within(50, 9))),
            (Place::Within(50, 9), last, false, Some(Place::From(51))),
            (Place::Within(50, 9), None, false, Some(Place::From(51))),
        ] {
            assert_eq!(after(place, last, is_full), next, "{place:?}");
        }
    }
}
