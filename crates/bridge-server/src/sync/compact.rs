//! `compact`: the last change of each record only.

use super::event::{EventText, Outline};
use bridge_model::{Event, RecordId, SystemId};
use std::collections::HashMap;

/// Keeps of each record's changes the last, at its place. Resets are no changes of a record and stay.
///
/// The fields named are those of all the record's changes; if one of them did not tell, everything may have changed.
pub(super) fn compact(events: Vec<EventText>) -> Result<Vec<EventText>, serde_json::Error> {
    let mut kept: Vec<Last> = Vec::with_capacity(events.len());
    let mut places: HashMap<(Option<SystemId>, String, RecordId), usize> = HashMap::new();
    for event in events.into_iter().rev() {
        let mut outline = event.outline()?;
        let Some(record) = outline.record_id.take() else {
            kept.push(Last { event, outline, gathered: false });
            continue;
        };
        let place = *places.entry((outline.system_id.take(), outline.model.clone(), record)).or_insert(kept.len());
        match kept.get_mut(place) {
            Some(last) => last.add_fields(outline),
            None => kept.push(Last { event, outline, gathered: false }),
        }
    }
    kept.into_iter().rev().map(Last::into_text).collect()
}

/// The last change of a record.
struct Last {
    event: EventText,
    outline: Outline,
    /// Whether fields of earlier changes were added.
    gathered: bool,
}

impl Last {
    /// Adds the fields of an earlier change.
    fn add_fields(&mut self, earlier: Outline) {
        if self.outline.event == Event::Unlink {
            return;
        }
        let earlier = if earlier.event == Event::Write { earlier.changed_fields } else { None };
        self.gathered = true;
        self.outline.changed_fields = self.outline.changed_fields.take().zip(earlier).map(|(mut all, more)| {
            all.extend(more);
            all.sort();
            all.dedup();
            all
        });
    }

    fn into_text(self) -> Result<EventText, serde_json::Error> {
        if self.gathered {
            return self.event.with_changed_fields(self.outline.changed_fields.as_deref());
        }
        Ok(self.event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sync::event::EventOut;
    use bridge_model::{Change, ModelName, NewChange, Position, SystemKey, Timestamp};

    /// A change of a record, or a reset if the record is 0.
    fn change(position: i64, model: &str, record: i64, event: Event, fields: Option<&[&str]>) -> EventText {
        let model = ModelName::parse(model).unwrap();
        let mut body =
            NewChange::of(SystemKey(1), model, RecordId::Number(record), event, Timestamp::from_micros(position));
        body.changed_fields = fields.map(|fields| fields.iter().map(|field| (*field).to_owned()).collect());
        body.record_id = body.record_id.filter(|_| record > 0);
        let change = Change { position: Position::new(position), received_at: Timestamp::from_micros(0), body };
        let id = change.position;
        let text = serde_json::to_string(&EventOut::of(change, None, false)).unwrap().into();
        EventText { id, text }
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
            .unwrap()
            .into_iter()
            .map(|event| (event.id.get(), event.outline().unwrap()))
            .map(|(id, outline)| (id, outline.event, outline.changed_fields.map(|fields| fields.join(" "))))
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
