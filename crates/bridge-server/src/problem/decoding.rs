//! What is wrong with JSON that was sent, in words that name its fields and not our types.

use super::{Problem, ProblemKind};
use crate::language::{Message, Reason};
use bridge_model::{AddressBlock, AppType, DeviceId, InvalidId, MethodName, ModelName, SystemId};
use serde_path_to_error::{Error, Path};

/// A body that is no JSON at all; what the parser said goes into the details.
pub(crate) fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(ProblemKind::MalformedJson, Message::body_not_json(error.line(), error.column()))
        .with("reason", error.to_string())
}

/// A message over an open connection that can't be understood; what the parser said goes into the details.
pub(crate) fn message(error: &serde_json::Error) -> Problem {
    let said = error.to_string();
    let problem = if error.is_data() { at("", &said) } else { None };
    problem.unwrap_or_else(|| {
        let message = if error.is_data() {
            Message::message_form()
        } else {
            Message::message_not_json(error.line(), error.column())
        };
        Problem::new(ProblemKind::Invalid, message).with("reason", said)
    })
}

/// JSON that is not of the expected form; `None` if it is the whole that is wrong and not one of its fields.
pub(crate) fn in_fields(error: &Error<serde_json::Error>) -> Option<Problem> {
    at(&place(error.path()), &error.inner().to_string())
}

/// The same for JSON that is the value of a field.
pub(crate) fn in_field(field: &str, error: &Error<serde_json::Error>) -> Problem {
    let place = inside(field, &place(error.path()));
    let message = error.inner().to_string();
    at(&place, &message).unwrap_or_else(|| Problem::field(field, Reason::unexpected_form()))
}

/// The problem at a `place` (empty for the whole) with the decoder's message; `None` if no field is to blame.
pub(crate) fn at(place: &str, message: &str) -> Option<Problem> {
    let message = without_position(message);
    if let Some(name) = quoted(message, "missing field `") {
        return Some(Problem::field(&inside(place, name), Reason::is_missing()));
    }
    if let Some(name) = quoted(message, "duplicate field `") {
        return Some(Problem::field(&inside(place, name), Reason::given_twice()));
    }
    (!place.is_empty()).then(|| Problem::field(place, reason(message)))
}

/// The rule that an identifier breaks.
pub(super) fn id_form(invalid: &InvalidId) -> Reason {
    match invalid.field {
        "system_id" => Reason::system_id_form(),
        "device_id" => Reason::device_id_form(),
        "app_type" => Reason::app_type_form(),
        "model" => Reason::model_form(),
        "method" => Reason::method_form(),
        "address" => Reason::address_block_form(),
        _ => Reason::documented_form(),
    }
}

/// What decoders say in their own words, in ours.
fn reason(message: &str) -> Reason {
    match message {
        "" => return Reason::unexpected_form(),
        "invalid digit found in string"
        | "cannot parse integer from empty string"
        | "number too large to fit in target type"
        | "number too small to fit in target type" => return Reason::whole_number_in_range(),
        "provided string was not `true` or `false`" => return Reason::true_or_false(),
        _ if message.contains(" untagged enum ") => return Reason::no_documented_form(),
        _ => {}
    }
    let rules = [SystemId::RULE, DeviceId::RULE, AppType::RULE, ModelName::RULE, MethodName::RULE, AddressBlock::RULE];
    if let Some(broken) = rules.iter().find(|rule| message == rule.to_string()) {
        return id_form(broken);
    }
    // What is expected, as our own types say it.
    if message.starts_with("a ") || message.starts_with("an ") {
        return expected(message);
    }
    let known = ["invalid type: ", "invalid value: ", "invalid length ", "unknown variant `", "unknown field `"];
    let is_known = known.iter().any(|start| message.starts_with(start));
    // What the caller sent stands before it and may hold the same words, so the last one counts.
    match message.rsplit_once(", expected ") {
        Some((_, words)) if is_known => expected(words),
        _ => Reason::unexpected_form(),
    }
}

/// What a decoder expects, without the names of types.
pub(crate) fn expected(words: &str) -> Reason {
    match words {
        "i8" | "i16" | "i32" | "i64" | "isize" => Reason::whole_number(),
        "u8" => Reason::whole_number_to(u32::from(u8::MAX)),
        "u16" => Reason::whole_number_to(u32::from(u16::MAX)),
        "u32" => Reason::whole_number_to(u32::MAX),
        "u64" | "usize" => Reason::whole_number_from_0(),
        "f32" | "f64" => Reason::number(),
        "a boolean" | "bool" => Reason::true_or_false(),
        "a string" | "a borrowed string" | "string" | "String" | "a character" => Reason::text(),
        "a sequence" => Reason::list(),
        "a map" => Reason::object(),
        "unit" => Reason::null(),
        "a number or a text" => Reason::number_or_text(),
        "a token: digits, as text or as a number" => Reason::token_form(),
        _ if words.starts_with("struct ") => Reason::object(),
        _ if words.starts_with("tuple ") || words.starts_with("a tuple ") => Reason::list_of_documented_length(),
        _ => choices(words).unwrap_or_else(Reason::documented_form),
    }
}

/// The words that may stand there, which decoders put between backticks.
fn choices(words: &str) -> Option<Reason> {
    if !words.starts_with('`') && !words.starts_with("one of `") {
        return None;
    }
    let choices: Vec<&str> = words.split('`').skip(1).step_by(2).collect();
    Some(match choices[..] {
        [one, other] => Reason::one_of_two(one, other),
        _ => Reason::one_of(choices.join(", ")),
    })
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
    match (place, name) {
        ("", name) => name.to_owned(),
        (place, "") => place.to_owned(),
        // A place in a list needs no point.
        (place, name) if name.starts_with('[') => format!("{place}{name}"),
        (place, name) => format!("{place}.{name}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_model::RecordId;
    use serde::Deserialize;

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the errors of reading it are looked at")]
    struct Request {
        count: Option<u32>,
        id: Option<i64>,
        record_id: Option<RecordId>,
        system_id: Option<SystemId>,
        models: Option<Vec<ModelName>>,
        inner: Option<Vec<Inner>>,
        word: Option<Word>,
        other: Option<Other>,
    }

    #[derive(Debug, Deserialize)]
    #[expect(dead_code, reason = "only the errors of reading it are looked at")]
    struct Inner {
        name: String,
        size: u8,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Word {
        Yes,
        No,
        Perhaps,
    }

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum Other {
        On,
        Off,
    }

    #[test]
    fn a_wrong_field_is_named_without_our_types() {
        for (text, field, reason) in [
            (r#"{"count":-1}"#, "count", Reason::whole_number_to(u32::MAX)),
            (r#"{"id":"x, expected y"}"#, "id", Reason::whole_number()),
            (r#"{"record_id":[]}"#, "record_id", Reason::number_or_text()),
            (r#"{"inner":7}"#, "inner", Reason::list()),
            (r#"{"inner":[7]}"#, "inner[0]", Reason::object()),
            (r#"{"inner":[["x"]]}"#, "inner[0]", Reason::object()),
            (r#"{"inner":[{"size":1}]}"#, "inner[0].name", Reason::is_missing()),
            (r#"{"inner":[{"name":"a","size":300}]}"#, "inner[0].size", Reason::whole_number_to(255)),
            (r#"{"id":1,"id":2}"#, "id", Reason::given_twice()),
            (r#"{"word":"x`, expected `y"}"#, "word", Reason::one_of("yes, no, perhaps")),
            (r#"{"other":"x"}"#, "other", Reason::one_of_two("on", "off")),
            (r#"{"other":7}"#, "other", Reason::unexpected_form()),
            (r#"{"system_id":"a b"}"#, "system_id", Reason::system_id_form()),
            (r#"{"models":["sale.order","a b"]}"#, "models[1]", Reason::model_form()),
        ] {
            let error = serde_path_to_error::deserialize::<_, Request>(&mut serde_json::Deserializer::from_str(text))
                .unwrap_err();
            let problem = in_fields(&error).unwrap();
            assert_eq!(problem.details["field"], field, "{text}");
            assert_eq!(problem.message, Message::about(field, reason), "{text}");
        }
    }

    #[test]
    fn every_rule_of_an_identifier_has_its_message() {
        for rule in [SystemId::RULE, DeviceId::RULE, AppType::RULE, ModelName::RULE, AddressBlock::RULE] {
            let told = reason(&rule.to_string());
            assert_eq!(told, id_form(&rule));
            assert_ne!(told, Reason::documented_form(), "{rule}");
            assert_ne!(told, Reason::unexpected_form(), "{rule}");
        }
    }

    #[test]
    fn what_is_wrong_in_a_fields_json_is_named_from_the_field_on() {
        for (text, field, reason) in [
            ("{}", "config.name", Reason::is_missing()),
            (r#"{"name":7,"size":1}"#, "config.name", Reason::text()),
            ("7", "config", Reason::object()),
        ] {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            let error = serde_path_to_error::deserialize::<_, Inner>(value).unwrap_err();
            assert_eq!(in_field("config", &error).message, Message::about(field, reason), "{text}");
        }
    }
}
