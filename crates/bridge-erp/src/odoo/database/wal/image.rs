//! A row's values as JSON, for those who want to keep them.

use super::pgoutput::{Column, Row, Value};
use crate::odoo::trail::is_secret;
use serde_json::{Map, Value as Json};

/// The types whose values JSON has a form for, by their fixed numbers in every PostgreSQL.
const BOOLEAN: u32 = 16;
const NUMBERS: [u32; 6] = [20, 21, 23, 700, 701, 1700];
const DOCUMENTS: [u32; 2] = [114, 3802];

/// The values by column, if all of them are there and have at most `bytes_max` bytes together. Those that are stored
/// apart and did not change are left out, and so are those that look like secrets.
pub(super) fn image(columns: &[Column], row: &Row<'_>, bytes_max: usize) -> Option<Map<String, Json>> {
    let mut left = bytes_max;
    if left == 0 {
        return None;
    }
    let mut map = Map::new();
    for (column, value) in columns.iter().zip(row) {
        if is_secret(&column.name) {
            continue;
        }
        let json = match value {
            Value::Unchanged => continue,
            Value::Omitted => return None,
            Value::Null => Json::Null,
            Value::Text(bytes) => {
                left = left.checked_sub(bytes.len())?;
                json(column.type_id, &String::from_utf8_lossy(bytes))
            }
        };
        map.insert(column.name.clone(), json);
    }
    Some(map)
}

fn json(type_id: u32, text: &str) -> Json {
    let parsed = match type_id {
        BOOLEAN => Some(Json::Bool(text == "t")),
        id if NUMBERS.contains(&id) || DOCUMENTS.contains(&id) => serde_json::from_str(text).ok(),
        _ => None,
    };
    // What JSON has no form for (`NaN`, a time) stays a text.
    parsed.unwrap_or_else(|| Json::from(text))
}
