//! Calls that our add-on makes once under each name: it keeps their answers in the transaction that does their work, so
//! that whoever has lost an answer asks again.

use super::calls::{Call, Caller};
use crate::adapter::KeptAnswer;
use crate::{ErpError, ErpErrorKind};
use serde_json::{Map, Value, json};
use std::sync::atomic::{AtomicBool, Ordering};

const MODEL: &str = "bridgecore.idempotency";

/// A name that no call has.
const NO_NAME: &str = "bridgecore";

/// Whether the add-on is there.
pub(super) async fn are_kept(caller: &Caller) -> Result<bool, ErpError> {
    match look_up(caller, NO_NAME).await {
        Ok(_) => Ok(true),
        Err(error) if matches!(error.kind, ErpErrorKind::UnknownModel | ErpErrorKind::UnknownMethod) => Ok(false),
        Err(error) => Err(error),
    }
}

/// Makes a call under a name. Errors that may pass are tried again.
pub(super) async fn call(caller: &Caller, kept: &KeptAnswer, call: &Call<'_>) -> Result<Value, ErpError> {
    let Call { model, method, args, kwargs } = call;
    let args = vec![json!(kept.name), json!(model), json!(method), json!(args), json!(kwargs)];
    let execute = Call { model: MODEL, method: "execute", args, kwargs: Map::new() };
    // Whether some try, of this call or before it, may have been done without our having heard of it.
    let is_open = AtomicBool::new(kept.is_repeat);
    let outcome = caller.repeated(|| async {
        let outcome = caller.once(&execute).await;
        if outcome.as_ref().is_err_and(ErpError::may_be_done) {
            is_open.store(true, Ordering::Relaxed);
        }
        outcome
    });
    let error = match outcome.await {
        Ok(answer) => return result(answer),
        Err(error) => error,
    };
    if !is_open.load(Ordering::Relaxed) {
        return Err(error);
    }
    match error.kind {
        // Said after the name was looked for, so that nothing was done under it. Only that the name is another call's
        // is said in this way too, as it is if what the call is made of has changed since the first try.
        ErpErrorKind::Business => match look_up(caller, &kept.name).await {
            Ok(None) => Err(error),
            Ok(Some(answer)) => result(answer),
            Err(cause) => Err(lost(cause)),
        },
        ErpErrorKind::Validation | ErpErrorKind::MissingRecord | ErpErrorKind::AccessDenied => Err(error),
        _ => Err(lost(error)),
    }
}

/// The answer that is kept under a name, if there is one.
async fn look_up(caller: &Caller, name: &str) -> Result<Option<Value>, ErpError> {
    let call = Call { model: MODEL, method: "lookup", args: vec![json!(name)], kwargs: Map::new() };
    Ok(Some(caller.read(&call).await?).filter(Value::is_object))
}

fn result(mut answer: Value) -> Result<Value, ErpError> {
    let result = answer.get_mut("result").map(Value::take);
    result.ok_or_else(|| ErpError::new(ErpErrorKind::Protocol, "the add-on answered without a result"))
}

/// Nothing decides any more whether an earlier try was done.
fn lost(cause: ErpError) -> ErpError {
    ErpError::new(ErpErrorKind::Unreachable, "the answer was lost, and it could not be asked for again")
        .caused_by(cause)
}
