//! Where a snapshot goes on: a token that only this service can make, and only for the snapshot that it belongs to.

use super::scope::{Scope, Viewer};
use crate::context::Context;
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{DeviceId, ModelName, Position, SystemKey};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// How long a page may be taken to ask for the next, in seconds.
const LIFE_S: i64 = 86_400;

/// The longest token that is looked at, in bytes; ours are shorter unless a filter names very many models.
const BYTES_MAX: usize = 65_536;

/// The place of a snapshot's next page: the records of `model` with ids above `after`, and the models behind it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) system: SystemKey,
    pub(super) model: ModelName,
    pub(super) after: i64,
}

/// What a token says, under the signature.
#[derive(Serialize, Deserialize)]
struct Claims {
    /// Whose snapshot of what it is.
    of: String,
    pos: i64,
    sys: i64,
    model: ModelName,
    id: i64,
    exp: i64,
}

/// The token for a place in the snapshot that began at `position`.
pub(super) fn seal(cx: &Context, snapshot: &str, position: Position, place: Place) -> Result<String, Problem> {
    let claims = Claims {
        of: snapshot.to_owned(),
        pos: position.get(),
        sys: place.system.0,
        model: place.model,
        id: place.after,
        exp: seconds(cx).saturating_add(LIFE_S),
    };
    jsonwebtoken::encode(&Header::new(Algorithm::HS256), &claims, &EncodingKey::from_secret(&key(cx)))
        .map_err(|error| Problem::new(ProblemKind::Internal, Message::page_token_not_signed()).caused_by(error))
}

/// What the token says, if it is ours, belongs to this snapshot and has not run out.
pub(super) fn open(cx: &Context, snapshot: &str, token: &str) -> Result<(Position, Place), Problem> {
    let refused = |why: Message| Problem::new(ProblemKind::InvalidSyncToken, why).with("field", "page_token");
    if token.len() > BYTES_MAX {
        return Err(refused(Message::page_token_too_long()));
    }
    let mut validation = Validation::new(Algorithm::HS256);
    // The library asks the machine's clock; ours is asked below.
    validation.validate_exp = false;
    validation.validate_aud = false;
    let claims = jsonwebtoken::decode::<Claims>(token, &DecodingKey::from_secret(&key(cx)), &validation)
        .map_err(|error| refused(Message::page_token_not_ours()).caused_by(error))?
        .claims;
    if claims.of != snapshot {
        return Err(refused(Message::page_token_of_another()));
    }
    if seconds(cx) >= claims.exp {
        return Err(refused(Message::page_token_run_out()));
    }
    let place = Place { system: SystemKey(claims.sys), model: claims.model, after: claims.id };
    Ok((Position::new(claims.pos), place))
}

/// A name for what a snapshot is of. Whoever reads as somebody else by now has to start anew.
pub(super) fn snapshot_name(viewer: &Viewer, device: &DeviceId, scope: &Scope) -> String {
    let what = serde_json::json!([
        viewer.tenant.0,
        viewer.user.0,
        viewer.is_admin,
        viewer.erp_user_id,
        device.as_str(),
        scope.app_type.as_str(),
        scope.system.map(|system| system.0),
        scope.models_filter,
    ]);
    let digest = Sha256::digest(what.to_string());
    let name = digest.iter().take(16).fold(0_u128, |name, byte| (name << 8) | u128::from(*byte));
    format!("{name:032x}")
}

/// A key of its own, so that no other token of ours can pass for one of these.
fn key(cx: &Context) -> Vec<u8> {
    Sha256::new().chain_update("snapshot pages\0").chain_update(&cx.config.security.secret_key).finalize().to_vec()
}

fn seconds(cx: &Context) -> i64 {
    cx.clock.now().as_micros().div_euclid(1_000_000)
}
