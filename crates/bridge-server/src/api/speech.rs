//! In which language a request is answered.

use crate::auth::Caller;
use crate::language::{Language, asked_for};
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use std::sync::{Arc, OnceLock};

/// What is known of a request's language: travels with the request and is filled in when its caller becomes known, so
/// that whoever writes the answer knows it too.
#[derive(Debug, Clone)]
pub(super) struct Speech(Arc<Known>);

#[derive(Debug)]
struct Known {
    asked: Option<Language>,
    of_caller: OnceLock<Language>,
}

impl Speech {
    /// That of a request with these headers.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(Arc::new(Known { asked: asked_for(headers), of_caller: OnceLock::new() }))
    }

    /// What the request asks for.
    pub(super) fn asked(extensions: &Extensions) -> Option<Language> {
        extensions.get::<Self>().and_then(|speech| speech.0.asked)
    }

    /// Notes who is calling: their own choice counts more than the request's.
    pub(super) fn note(parts: &Parts, caller: &Caller) {
        if let Some(speech) = parts.extensions.get::<Self>() {
            // A request has one caller; who asks for them twice gets the same.
            speech.0.of_caller.get_or_init(|| caller.speaks());
        }
    }

    /// The language of the answer.
    pub(super) fn language(&self) -> Language {
        self.0.of_caller.get().copied().or(self.0.asked).unwrap_or_default()
    }
}
