//! A short stand-in for a record's contents.

use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

/// What stands for a record's contents: another value means that something in it is another.
///
/// Times of writing have whole seconds on the wire, so that two writes within a second can't be told apart by them.
pub(super) fn digest(record: &Map<String, Value>) -> u64 {
    let mut names: Vec<&String> = record.keys().collect();
    names.sort_unstable();
    let mut hash = Sha256::new();
    for name in names {
        hash.update(name.as_bytes());
        hash.update([0]);
        // A reference comes with the name of what it points to, which can change without this record.
        match &record[name] {
            Value::Array(pair) if matches!(&pair[..], [Value::Number(_), Value::String(_)]) => {
                hash.update(pair[0].to_string().as_bytes());
            }
            value => hash.update(value.to_string().as_bytes()),
        }
        hash.update([0]);
    }
    hash.finalize().iter().take(8).fold(0, |digest, byte| (digest << 8) | u64::from(*byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn of(record: &Value) -> u64 {
        digest(record.as_object().unwrap())
    }

    #[test]
    fn it_changes_with_the_contents_and_not_with_names_of_others() {
        let record = json!({ "id": 1, "name": "A", "parent_id": [7, "Old name"], "tag_ids": [1, 2] });
        assert_eq!(of(&record), of(&json!({ "tag_ids": [1, 2], "name": "A", "id": 1, "parent_id": [7, "New name"] })));
        for (field, value) in [("name", json!("B")), ("parent_id", json!([8, "Old name"])), ("tag_ids", json!([2, 1]))]
        {
            let mut other = record.clone();
            other[field] = value;
            assert_ne!(of(&record), of(&other), "{field}");
        }
    }
}
