//! What is wrong with a request, in words that name its fields and not our types.

use crate::problem::{Problem, ProblemKind};
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{PathRejection, QueryRejection};
use serde_path_to_error::{Error, Path};

/// A body that is JSON but not of the expected form.
pub(super) fn body(error: &Error<serde_json::Error>) -> Problem {
    wrong("body", &place(error.path()), &error.inner().to_string())
}

/// A query string.
pub(super) fn query(rejection: &QueryRejection) -> Problem {
    let text = rejection.body_text();
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
    match text.split_once(": ") {
        Some((field, message)) if is_name(field) => wrong("query", field, message),
        _ => wrong("query", "", text),
    }
}

/// The parts of a path; `only` is the name of the part if there is one alone.
pub(super) fn path(rejection: PathRejection, only: Option<&str>) -> Problem {
    let only = only.unwrap_or_default();
    let PathRejection::FailedToDeserializePathParams(failed) = rejection else {
        return wrong("path", only, "");
    };
    match failed.into_kind() {
        ErrorKind::ParseErrorAtKey { key, expected_type, .. } => must_be(&key, expected_type),
        ErrorKind::ParseError { expected_type, .. } if !only.is_empty() => must_be(only, expected_type),
        ErrorKind::InvalidUtf8InPathParam { key } => Problem::field(&key, "must be UTF-8"),
        ErrorKind::DeserializeError { key, message, .. } => wrong("path", &key, &message),
        ErrorKind::Message(message) => wrong("path", only, &message),
        _ => wrong("path", only, ""),
    }
}

/// The problem at a `place` (empty for the whole) of a `part` of the request, with the decoder's message.
fn wrong(part: &str, place: &str, message: &str) -> Problem {
    let message = without_position(message);
    if let Some(name) = quoted(message, "missing field `") {
        return Problem::field(&inside(place, name), "is missing");
    }
    if let Some(name) = quoted(message, "duplicate field `") {
        return Problem::field(&inside(place, name), "is given twice");
    }
    let reason = reason(message);
    match (place, reason) {
        ("", Some(reason)) => Problem::new(ProblemKind::Invalid, format!("The {part} {reason}")),
        ("", None) => Problem::new(ProblemKind::Invalid, format!("The {part} does not have the expected form")),
        (place, Some(reason)) => Problem::field(place, &reason),
        (place, None) if message.is_empty() => Problem::field(place, "does not have the expected form"),
        // Our own rules start their sentence with the name already.
        (place, None) if message.starts_with(place) => Problem::new(ProblemKind::Invalid, message).with("field", place),
        (place, None) => Problem::new(ProblemKind::Invalid, format!("{place}: {message}")).with("field", place),
    }
}

fn must_be(place: &str, expected: &str) -> Problem {
    Problem::field(place, &format!("must be {}", plain(expected)))
}

/// The end of a sentence that starts with the field's name, for what decoders say in their own words.
fn reason(message: &str) -> Option<String> {
    match message {
        "invalid digit found in string"
        | "cannot parse integer from empty string"
        | "number too large to fit in target type"
        | "number too small to fit in target type" => {
            return Some("must be a whole number within its range".to_owned());
        }
        "provided string was not `true` or `false`" => return Some("must be true or false".to_owned()),
        _ if message.contains(" untagged enum ") => return Some("has none of the documented forms".to_owned()),
        _ => {}
    }
    // What is expected, as our own types say it.
    if message.starts_with("a ") || message.starts_with("an ") {
        return Some(format!("must be {message}"));
    }
    let known = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `", "unknown field `"];
    known.iter().find(|start| message.starts_with(**start))?;
    // What the caller sent stands before it and may hold the same words, so the last one counts.
    let (_, expected) = message.rsplit_once(", expected ")?;
    Some(format!("must be {}", plain(expected)))
}

/// What a decoder expects, without the names of types.
fn plain(expected: &str) -> &str {
    match expected {
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "f32" | "f64" => "a number",
        "a boolean" | "bool" => "true or false",
        "a string" | "a borrowed string" | "string" | "String" | "a character" => "a text",
        "a sequence" => "a list",
        "a map" => "an object",
        "unit" => "null",
        _ if expected.starts_with("struct ") => "an object",
        _ if expected.starts_with("tuple ") || expected.starts_with("a tuple ") => "a list of the documented length",
        _ if expected.contains("struct ") || expected.contains("enum ") || expected.contains("identifier") => {
            "of the documented form"
        }
        _ => expected,
    }
}

/// The message without ` at line 1 column 2` at its end.
fn without_position(message: &str) -> &str {
    match message.rsplit_once(" at line ") {
        Some((message, position)) if position.bytes().all(|b| b.is_ascii_digit() || b" column".contains(&b)) => message,
        _ => message,
    }
}

/// The name between `start` and the next backtick.
fn quoted<'a>(message: &'a str, start: &str) -> Option<&'a str> {
    message.strip_prefix(start)?.split('`').next()
}

fn place(path: &Path) -> String {
    if path.iter().next().is_none() { String::new() } else { path.to_string() }
}

fn inside(place: &str, name: &str) -> String {
    if place.is_empty() { name.to_owned() } else { format!("{place}.{name}") }
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'[' | b']'))
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_model::{RecordId, SystemId};
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the errors of reading it are looked at")]
    struct Request {
        count: Option<u32>,
        id: Option<i64>,
        record_id: Option<RecordId>,
        system_id: Option<SystemId>,
        inner: Option<Vec<Inner>>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the errors of reading it are looked at")]
    struct Inner {
        name: String,
        size: u8,
    }

    #[test]
    fn a_wrong_field_is_named_without_our_types() {
        for (text, field, message) in [
            (r#"{"count":-1}"#, "count", "count must be a whole number from 0 to 4294967295"),
            (r#"{"id":"x, expected y"}"#, "id", "id must be a whole number"),
            (r#"{"record_id":[]}"#, "record_id", "record_id must be a number or a text"),
            (r#"{"inner":7}"#, "inner", "inner must be a list"),
            (r#"{"inner":[7]}"#, "inner[0]", "inner[0] must be an object"),
            (r#"{"inner":[["x"]]}"#, "inner[0]", "inner[0] must be an object"),
            (r#"{"inner":[{"size":1}]}"#, "inner[0].name", "inner[0].name is missing"),
            (
                r#"{"inner":[{"name":"a","size":300}]}"#,
                "inner[0].size",
                "inner[0].size must be a whole number from 0 to 255",
            ),
            (r#"{"id":1,"id":2}"#, "id", "id is given twice"),
        ] {
            let error = serde_path_to_error::deserialize::<_, Request>(&mut serde_json::Deserializer::from_str(text))
                .unwrap_err();
            let problem = body(&error);
            assert_eq!((problem.details["field"].as_str(), problem.message.as_str()), (Some(field), message), "{text}");
        }
    }

    #[test]
    fn our_own_rules_are_told_as_they_are() {
        let text = r#"{"system_id":"a b"}"#;
        let error =
            serde_path_to_error::deserialize::<_, Request>(&mut serde_json::Deserializer::from_str(text)).unwrap_err();
        let problem = body(&error);
        assert_eq!(problem.details["field"], "system_id");
        assert!(problem.message.starts_with("system_id must") && !problem.message.contains("line"), "{problem}");
    }
}
