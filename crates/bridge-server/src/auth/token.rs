//! Signed tokens: what they carry, how they are made and when they hold.

use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::entropy::hex;
use bridge_model::{Entropy, TenantId, Timestamp, UserId};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use moka::sync::Cache;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use std::fmt;
use std::sync::Arc;
use utoipa::ToSchema;

/// The answer to a log-in or a refresh.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub struct Tokens {
    /// For every request.
    pub access_token: String,
    /// For the next access token; left out when the one that was used stays valid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Always `bearer`.
    pub token_type: &'static str,
    /// Life of the access token, in seconds.
    pub expires_in: u64,
}

/// What a token may be used for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum TokenKind {
    /// For requests.
    Access,
    /// For a new access token, and for nothing else.
    Refresh,
}

/// What a token says, under the signature.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Claims {
    /// The user's id.
    pub(super) sub: String,
    /// When the token runs out, in seconds since 1970.
    pub(super) exp: i64,
    /// When it was made, in seconds since 1970.
    pub(super) iat: i64,
    /// What it may be used for.
    #[serde(rename = "type")]
    pub(super) kind: TokenKind,
    /// The log-in session.
    pub(super) sid: String,
    /// The tenant's id.
    pub(super) tid: i64,
    /// Makes two tokens of the same second differ.
    pub(super) jti: String,
}

impl Claims {
    /// The claims of a new token that holds from now until a moment not later than `until`.
    pub(super) fn new(
        kind: TokenKind,
        owner: &Owner<'_>,
        now: Timestamp,
        until: Timestamp,
        entropy: &dyn Entropy,
    ) -> Self {
        Self {
            sub: owner.user.to_string(),
            exp: seconds(until),
            iat: seconds(now),
            kind,
            sid: owner.session.to_owned(),
            tid: owner.tenant.0,
            jti: entropy.hex(16),
        }
    }

    /// When the token runs out.
    pub(super) fn expires_at(&self) -> Timestamp {
        Timestamp::from_micros(self.exp.saturating_mul(1_000_000))
    }

    /// How long a token that was made now holds, in seconds.
    pub(super) fn life_s(&self) -> u64 {
        u64::try_from(self.exp - self.iat).unwrap_or(0)
    }
}

/// Whose token it is.
#[derive(Debug, Clone, Copy)]
pub(super) struct Owner<'a> {
    pub(super) tenant: TenantId,
    pub(super) user: UserId,
    pub(super) session: &'a str,
}

/// The key that signs and verifies, HS256.
pub(super) struct TokenKeys {
    signing: EncodingKey,
    verifying: DecodingKey,
    validation: Validation,
    /// What access tokens say whose signature was found to be ours. The key never changes while the service runs, so
    /// that it stays so; everything else about a token is asked each time.
    verified: Cache<Box<str>, Arc<Claims>>,
}

/// The most tokens whose signature is remembered; each takes less than a kilobyte.
const VERIFIED_MAX: u64 = 10_000;

impl TokenKeys {
    pub(super) fn new(secret: &str) -> Self {
        // Only HS256 is taken, whatever the token's header says.
        let mut validation = Validation::new(Algorithm::HS256);
        // The library asks the machine's clock; `verify` asks ours.
        validation.validate_exp = false;
        validation.validate_aud = false;
        Self {
            signing: EncodingKey::from_secret(secret.as_bytes()),
            verifying: DecodingKey::from_secret(secret.as_bytes()),
            validation,
            verified: Cache::new(VERIFIED_MAX),
        }
    }

    /// The signed token.
    pub(super) fn sign(&self, claims: &Claims) -> Result<String, Problem> {
        jsonwebtoken::encode(&Header::new(Algorithm::HS256), claims, &self.signing)
            .map_err(|error| Problem::new(ProblemKind::Internal, Message::token_not_signed()).caused_by(error))
    }

    /// What a token says, if the signature is ours, it is of this kind and it has not run out.
    pub(super) fn verify(&self, token: &str, kind: TokenKind, now: Timestamp) -> Result<Arc<Claims>, Problem> {
        let claims = match self.verified.get(token) {
            Some(claims) => claims,
            None => self.check_signature(token)?,
        };
        if claims.kind != kind {
            return Err(refused(match kind {
                TokenKind::Access => Message::access_token_expected(),
                TokenKind::Refresh => Message::refresh_token_expected(),
            }));
        }
        if now >= claims.expires_at() {
            self.verified.invalidate(token);
            return Err(refused(Message::token_run_out()));
        }
        Ok(claims)
    }

    fn check_signature(&self, token: &str) -> Result<Arc<Claims>, Problem> {
        let claims = jsonwebtoken::decode::<Claims>(token, &self.verifying, &self.validation)
            .map_err(|error| refused(Message::token_not_valid()).caused_by(error))?
            .claims;
        let claims = Arc::new(claims);
        if claims.kind == TokenKind::Access {
            self.verified.insert(token.into(), Arc::clone(&claims));
        }
        Ok(claims)
    }
}

impl fmt::Debug for TokenKeys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKeys").finish_non_exhaustive()
    }
}

/// The answer to a credential that does not hold.
pub(super) fn refused(message: Message) -> Problem {
    Problem::new(ProblemKind::Unauthenticated, message)
}

/// The SHA-256 of a random secret in hexadecimal digits: the form in which the database keeps it. A slow hash is for
/// secrets that can be guessed, which these cannot.
pub(super) fn sha256_hex(secret: &str) -> String {
    hex(&Sha256::digest(secret))
}

fn seconds(time: Timestamp) -> i64 {
    time.as_micros().div_euclid(1_000_000)
}
