//! `GET /api/v1/webhooks/events`: the newest changes.

use super::since::Since;
use super::visible::look_over;
use crate::auth::Caller;
use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use crate::sync::{EventOut, Viewer, viewer_for};
use bridge_model::{Change, Event, ModelName, Position, RecordId, SystemId, Timestamp};
use bridge_store::{LogFilter, LogSpan, Newest};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;
use utoipa::{IntoParams, ToSchema};

/// Changes in an answer if the request names no limit.
const LIMIT_DEFAULT: u32 = 100;

/// The most changes in one answer.
const LIMIT_MAX: u32 = 1_000;

/// The most changes that `offset` leaves out; who wants more goes on by `cursor`.
const OFFSET_MAX: u32 = 10_000;

/// The longest record id.
const RECORD_ID_BYTES_MAX: usize = 200;

/// How many stretches of the log one request looks at.
const LOOKS_MAX: u32 = 5;

/// The query of the request.
#[derive(Debug, Clone, Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct ListEvents {
    /// Only this model.
    pub model: Option<ModelName>,
    /// Only this record.
    #[param(min_length = 1, max_length = 200, example = "456")]
    pub record_id: Option<String>,
    /// Only this event.
    #[param(value_type = Option<Event>)]
    pub event: Option<String>,
    /// Only this system.
    pub system_id: Option<SystemId>,
    /// Only changes after this position (digits), or that happened at or after this time (RFC 3339).
    #[param(pattern = "^([0-9]{1,18}|[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]+(Z|[+-][0-9]{2}:[0-9]{2}))$", example = "525")]
    pub since: Option<String>,
    /// The most changes in the answer.
    #[param(minimum = 1, maximum = 1000, default = 100)]
    pub limit: Option<u32>,
    /// How many of the newest to leave out.
    #[param(minimum = 0, maximum = 10000, default = 0)]
    pub offset: Option<u32>,
    /// The `next_cursor` of the page before, in place of `offset`.
    #[param(pattern = "^[0-9]+(:-?[0-9]+:[0-9]+)?$")]
    pub cursor: Option<String>,
}

/// A page of changes.
#[derive(Debug, Serialize, ToSchema)]
pub struct EventPage {
    /// The changes, newest first.
    pub items: Vec<EventView>,
    /// The limit that was used.
    pub limit: u32,
    /// The offset that was used.
    pub offset: u32,
    /// For the next page; `null` on the last. A page may be short, or even empty, and not be the last.
    pub next_cursor: Option<String>,
}

/// A change of v1: as in a pull, and with the name that v1 has for its time.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = ListedChange)]
pub struct EventView {
    /// The change.
    #[serde(flatten)]
    pub event: EventOut,
    /// When it happened in the ERP; the same as `timestamp`.
    pub occurred_at: Timestamp,
}

/// Where a page begins: at the end of a stretch of the log, or within it after one of its changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Place {
    up_to: Position,
    before: Option<(Timestamp, Position)>,
}

/// The newest changes that the caller may see, by the time at which they happened in the ERP.
///
/// Nothing in the log is ordered by that time, and no index for it shall slow the appends: the log is put in order a
/// stretch of `sync.scan_max` positions at a time. A change that arrived that many positions late is found among its
/// neighbours in arrival.
pub async fn events(cx: &Context, caller: &Caller, request: ListEvents) -> Result<EventPage, Problem> {
    let viewer = viewer_for(cx, caller, None).await?;
    let limit = request.limit.unwrap_or(LIMIT_DEFAULT);
    if !(1..=LIMIT_MAX).contains(&limit) {
        return Err(Problem::field("limit", Reason::between(1, LIMIT_MAX)));
    }
    let offset = request.offset.unwrap_or(0);
    if offset > OFFSET_MAX {
        return Err(Problem::field("offset", Reason::offset_at_most(OFFSET_MAX)));
    }
    let place = request.cursor.as_deref().map(Place::from_str).transpose()?;
    if place.is_some() && offset > 0 {
        return Err(Problem::field("offset", Reason::not_with_cursor()));
    }
    let since = request.since.as_deref().map(Since::parse).transpose()?;
    let filter = filter(cx, &viewer, &request, since).await?;
    let mut kept = cx.store.kept(viewer.tenant).await?;
    if let Some(Since::Position(position)) = since {
        kept.after = kept.after.max(position);
    }
    let (changes, next) = page(cx, &viewer, kept, &filter, place, offset, limit as usize).await?;
    let names = cx.store.system_names(viewer.tenant).await?;
    let items = changes.into_iter().map(|change| {
        let system_id = names.get(&change.body.system).cloned();
        let occurred_at = change.body.occurred_at;
        EventView { event: EventOut::of(change, system_id, viewer.is_admin), occurred_at }
    });
    Ok(EventPage { items: items.collect(), limit, offset, next_cursor: next.map(|place| place.to_string()) })
}

/// Fills a page from one stretch of the log after the other, and answers where the next page begins.
async fn page(
    cx: &Context,
    viewer: &Viewer,
    kept: LogSpan,
    filter: &LogFilter,
    place: Option<Place>,
    mut offset: u32,
    limit: usize,
) -> Result<(Vec<Change>, Option<Place>), Problem> {
    let mut place = place.unwrap_or(Place { up_to: kept.up_to, before: None });
    place.up_to = place.up_to.min(kept.up_to);
    let mut changes = Vec::new();
    for _ in 0..LOOKS_MAX {
        if place.up_to <= kept.after {
            return Ok((changes, None));
        }
        if changes.len() >= limit {
            break;
        }
        let start = place.up_to.get().saturating_sub(i64::from(cx.config.sync.scan_max));
        let mut span = LogSpan { after: kept.after.max(Position::new(start)), up_to: place.up_to };
        let mut filter = filter.clone();
        if !viewer.is_admin {
            let sight = look_over(cx, viewer, span, filter).await?;
            (span, filter) = (sight.span, sight.filter);
        }
        let room = limit - changes.len();
        // One more than there is room for tells whether the stretch holds more.
        let wanted = Newest { before: place.before, offset, limit: u32::try_from(room + 1).unwrap_or(u32::MAX) };
        let mut found = cx.store.newest(viewer.tenant, span, &filter, wanted).await?;
        let more = found.len() > room;
        found.truncate(room);
        if found.is_empty() && offset > 0 {
            let counts = cx.store.count_changes(viewer.tenant, span, &filter).await?;
            let passed: u64 = counts.iter().map(|count| count.count).sum();
            offset = offset.saturating_sub(u32::try_from(passed).unwrap_or(u32::MAX));
        } else {
            offset = 0;
        }
        changes.extend(found);
        if more {
            let last = changes.last().map(|change| (change.body.occurred_at, change.position));
            return Ok((changes, Some(Place { before: last, ..place })));
        }
        place = Place { up_to: span.after, before: None };
    }
    Ok((changes, Some(place).filter(|place| place.up_to > kept.after)))
}

async fn filter(
    cx: &Context,
    viewer: &Viewer,
    request: &ListEvents,
    since: Option<Since>,
) -> Result<LogFilter, Problem> {
    let event = request.event.as_deref().map(|word| {
        Event::from_word(word)
            .ok_or_else(|| Problem::field("event", Reason::one_of("create, write, unlink, manual, reset")))
    });
    let system = match &request.system_id {
        None => None,
        Some(id) => Some(super::dead_letters::system_key(cx, viewer.tenant, id).await?),
    };
    Ok(LogFilter {
        models: request.model.clone().map(|model| vec![model]),
        system,
        records: request.record_id.as_deref().map(records).transpose()?,
        event: event.transpose()?,
        occurred_since: match since {
            Some(Since::Time(time)) => Some(time),
            _ => None,
        },
        visible: None,
    })
}

/// The keys that a record id in a query can mean: `42` is a number in one system and a text in another.
fn records(text: &str) -> Result<Vec<RecordId>, Problem> {
    if text.is_empty() || text.len() > RECORD_ID_BYTES_MAX || text.chars().any(char::is_control) {
        return Err(Problem::field("record_id", Reason::printable(RECORD_ID_BYTES_MAX)));
    }
    let number = text.parse().ok().map(RecordId::Number);
    Ok(number.into_iter().chain([RecordId::Text(text.to_owned())]).collect())
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.before {
            None => write!(f, "{}", self.up_to),
            Some((time, position)) => write!(f, "{}:{}:{position}", self.up_to, time.as_micros()),
        }
    }
}

impl FromStr for Place {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let refused = || Problem::field("cursor", Reason::cursor_of_another_page());
        let position = |part: &str| part.parse::<Position>().map_err(|_| refused());
        let mut parts = text.split(':');
        let up_to = position(parts.next().unwrap_or_default())?;
        let before = match (parts.next(), parts.next(), parts.next()) {
            (None, ..) => None,
            (Some(time), Some(at), None) => {
                Some((Timestamp::from_micros(time.parse().map_err(|_| refused())?), position(at)?))
            }
            _ => return Err(refused()),
        };
        Ok(Self { up_to, before })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_read_as_it_was_written() {
        let within = Some((Timestamp::from_micros(-5), Position::new(7)));
        for before in [None, within] {
            let place = Place { up_to: Position::new(12), before };
            assert_eq!(place.to_string().parse::<Place>().unwrap(), place);
        }
        for bad in ["", "x", "1:", "1:2", "1:x:2", "1:2:x", "1:2:3:4", "-1", "1:2:-3", "1:99999999999999999999:1"] {
            assert!(bad.parse::<Place>().is_err(), "{bad:?}");
        }
    }

    #[test]
    fn a_number_may_be_the_key_of_either_kind_of_system() {
        assert_eq!(records("42").unwrap(), [RecordId::Number(42), RecordId::Text("42".into())]);
        assert_eq!(records("A-1").unwrap(), [RecordId::Text("A-1".into())]);
        assert!(records("").is_err() && records("a\u{0}").is_err() && records(&"x".repeat(201)).is_err());
    }
}
