//! `compact`: the last change of each record only.

use super::event::EventOut;
use bridge_model::{Event, RecordId, SystemId};
use std::collections::HashMap;

/// Keeps of each record's changes the last, at its place. Resets are no changes of a record and stay.
///
/// The fields named are those of all the record's changes; if one of them did not tell, everything may have changed.
pub(super) fn compact(events: Vec<EventOut>) -> Vec<EventOut> {
    let mut kept: Vec<EventOut> = Vec::with_capacity(events.len());
    let mut places: HashMap<(Option<SystemId>, String, RecordId), usize> = HashMap::new();
    for event in events.into_iter().rev() {
        let Some(record) = event.record_id.clone() else {
            kept.push(event);
            continue;
        };
        let place = *places.entry((event.system_id.clone(), event.model.clone(), record)).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(last) => add_fields(last, event),
            None => kept.push(event),
        }
    }
    kept.reverse();
    kept
}

/// Adds the fields of an earlier change to those of the last one.
fn add_fields(last: &mut EventOut, earlier: EventOut) {
    if last.event == Event::Unlink {
        return;
    }
    let earlier = if earlier.event == Event::Write { earlier.changed_fields } else { None };
    last.changed_fields = last.changed_fields.take().zip(earlier).map(|(mut all, more)| {
        all.extend(more);
        all.sort();
        all.dedup();
        all
    });
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_model::{Change, ModelName, NewChange, Position, SystemKey, Timestamp};

    /// A change of a record, or a reset if the record is 0.
    fn change(position: i64, model: &str, record: i64, event: Event, fields: Option<&[&str]>) -> EventOut {
        let model = ModelName::parse(model).unwrap();
        let mut body =
            NewChange::of(SystemKey(1), model, RecordId::Number(record), event, Timestamp::from_micros(position));
        body.changed_fields = fields.map(|fields| fields.iter().map(|field| (*field).to_owned()).collect());
        body.record_id = body.record_id.filter(|_| record > 0);
        let change = Change { position: Position::new(position), received_at: Timestamp::from_micros(0), body };
        EventOut::of(change, None, false)
    }

    #[test]
    fn the_last_change_of_each_record_is_left_at_its_place() {
        use Event::{Create, Reset, Unlink, Write};
        let all = vec![
            change(1, "sale.order", 1, Create, None),
            change(2, "sale.order", 2, Write, Some(&["b"])),
            change(3, "res.partner", 1, Write, Some(&["x"])),
            change(4, "sale.order", 0, Reset, None),
            change(5, "sale.order", 1, Write, Some(&["a"])),
            change(6, "sale.order", 3, Create, None),
            change(7, "sale.order", 2, Write, Some(&["a"])),
            change(8, "sale.order", 0, Reset, None),
            change(9, "sale.order", 3, Unlink, None),
        ];
        let left: Vec<_> = compact(all)
            .into_iter()
            .map(|event| (event.id.get(), event.event, event.changed_fields.map(|fields| fields.join(" "))))
            .collect();
        assert_eq!(
            left,
            [
                (3, Write, Some("x".to_owned())),
                (4, Reset, None),
                (5, Write, None),
                (7, Write, Some("a b".to_owned())),
                (8, Reset, None),
                (9, Unlink, None),
            ]
        );
    }
}
