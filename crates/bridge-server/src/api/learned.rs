//! What becomes known of a request on its way in, for whoever writes its answer.

use crate::auth::Caller;
use crate::language::{Language, asked_for};
use crate::limits::Noted;
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::http::{Extensions, HeaderMap};
use std::convert::Infallible;
use std::sync::{Arc, OnceLock};

/// In which language a request is answered, and what it has left of its allowance: travels with the request and is filled
/// in when its caller becomes known.
#[derive(Debug, Clone, Default)]
pub(super) struct Learned(Arc<Known>);

#[derive(Debug, Default)]
struct Known {
    asked: Option<Language>,
    of_caller: OnceLock<Language>,
    noted: Noted,
}

impl Learned {
    /// What the headers of a request tell.
    pub(super) fn of(headers: &HeaderMap) -> Self {
        Self(Arc::new(Known { asked: asked_for(headers), ..Known::default() }))
    }

    /// What travels with a request.
    pub(super) fn with(extensions: &Extensions) -> Self {
        extensions.get::<Self>().cloned().unwrap_or_default()
    }

    /// The language that the request asks for.
    pub(super) fn asked(&self) -> Option<Language> {
        self.0.asked
    }

    /// Notes who is calling: their own choice of a language counts more than the request's.
    pub(super) fn note(&self, caller: &Caller) {
        // A request has one caller; who asks for them twice gets the same.
        self.0.of_caller.get_or_init(|| caller.speaks());
    }

    /// The language of the answer.
    pub(super) fn language(&self) -> Language {
        self.0.of_caller.get().copied().or(self.0.asked).unwrap_or_default()
    }

    /// Where it is noted what is left of the request's allowance.
    pub(super) fn noted(&self) -> &Noted {
        &self.0.noted
    }
}

impl<S: Sync> FromRequestParts<S> for Learned {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Infallible> {
        Ok(Self::with(&parts.extensions))
    }
}
