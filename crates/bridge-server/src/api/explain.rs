//! What is wrong with a request, from what the decoders of its parts say.

use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind, decoding};
use axum::extract::path::ErrorKind;
use axum::extract::rejection::{PathRejection, QueryRejection};
use serde_path_to_error::Error;

/// A body that is JSON but not of the expected form.
pub(super) fn body(error: &Error<serde_json::Error>) -> Problem {
    decoding::in_fields(error).unwrap_or_else(|| Problem::new(ProblemKind::Invalid, Message::body_form()))
}

/// A query string.
pub(super) fn query(rejection: &QueryRejection) -> Problem {
    let text = rejection.body_text();
    let text = text.strip_prefix("Failed to deserialize query string: ").unwrap_or(&text);
    let problem = match text.split_once(": ") {
        Some((field, message)) if is_name(field) => decoding::at(field, message),
        _ => decoding::at("", text),
    };
    problem.unwrap_or_else(|| Problem::new(ProblemKind::Invalid, Message::query_form()))
}

/// The parts of a path; `only` is the name of the part if there is one alone.
pub(super) fn path(rejection: PathRejection, only: Option<&str>) -> Problem {
    let only = only.unwrap_or_default();
    let problem = match rejection {
        PathRejection::FailedToDeserializePathParams(failed) => match failed.into_kind() {
            ErrorKind::ParseErrorAtKey { key, expected_type, .. } => {
                Some(Problem::field(&key, decoding::expected(expected_type)))
            }
            ErrorKind::ParseError { expected_type, .. } if !only.is_empty() => {
                Some(Problem::field(only, decoding::expected(expected_type)))
            }
            ErrorKind::InvalidUtf8InPathParam { key } => Some(Problem::field(&key, Reason::utf8())),
            ErrorKind::DeserializeError { key, message, .. } => decoding::at(&key, &message),
            ErrorKind::Message(message) => decoding::at(only, &message),
            _ => decoding::at(only, ""),
        },
        _ => decoding::at(only, ""),
    };
    problem.unwrap_or_else(|| Problem::new(ProblemKind::Invalid, Message::path_form()))
}

fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'.' | b'[' | b']'))
}
