//! In which order records are answered: `name asc, id desc`.

use super::ModelFields;
use crate::language::Reason;
use crate::problem::Problem;
use std::fmt::Write as _;

/// The most fields in an order.
const KEYS_MAX: usize = 16;

/// Reads an order and writes it for the system; an empty one is the system's own.
pub(super) fn order_of(fields: &ModelFields, order: &str) -> Result<String, Problem> {
    let mut text = String::new();
    if order.trim().is_empty() {
        return Ok(text);
    }
    for (count, key) in order.split(',').enumerate() {
        let form = || Problem::field("order", Reason::order_form());
        let mut words = key.split_whitespace();
        let name = words.next().ok_or_else(form)?;
        let rest: Vec<String> = words.map(str::to_ascii_lowercase).collect();
        let (descending, nulls) = match rest.iter().map(String::as_str).collect::<Vec<_>>()[..] {
            [] | ["asc"] => (false, ""),
            ["desc"] => (true, ""),
            ["asc", "nulls", "first"] => (false, " nulls first"),
            ["asc", "nulls", "last"] => (false, " nulls last"),
            ["desc", "nulls", "first"] => (true, " nulls first"),
            ["desc", "nulls", "last"] => (true, " nulls last"),
            _ => return Err(form()),
        };
        if count >= KEYS_MAX {
            return Err(form());
        }
        if name != "id" && fields.get(name).is_none() {
            return Err(Problem::field("order", Reason::unknown_model_field()).with("unknown_field", name));
        }
        let comma = if count == 0 { "" } else { ", " };
        // Writing to a String cannot fail.
        let _ = write!(text, "{comma}{name} {}{nulls}", if descending { "desc" } else { "asc" });
    }
    Ok(text)
}

/// The names of the fields in an order, whatever else is wrong with it.
pub(super) fn ordered_by(order: &str) -> impl Iterator<Item = &str> {
    order.split(',').filter_map(|key| key.split_whitespace().next()).filter(|name| *name != "id")
}
