//! Requests of several writes that come with a key: the same key gives the same answer.
//!
//! Such a request is noted under its key before anything is sent, and its answer at its end. If its process dies, the next
//! request with the key does it again from the beginning: each of its writes has a key of its own by then, or another way
//! to be known again, so that nothing is done twice.

use super::IdempotencyKey;
use super::keyed::{Once, Series, in_use, new_claim, noted, reused};
use super::staying::staying;
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::SystemKey;
use bridge_store::{KeyedWrite, NewKeyedWrite, WriteKey, WriteSeries};
use serde_json::{Value, json};
use std::time::Duration;

/// What is kept of the outcome of such a request.
#[derive(Debug)]
pub(crate) enum Keep {
    /// This answer.
    Answer(Value),
    /// Nothing yet: what is not known can be found out by doing it again.
    Open,
}

/// Does a request of several writes to a system to its end, whoever waits for it; one that has a key, once for that key. `work` is given the series of its
/// writes where there is a key, and whether it was begun before. It may fail only before it has sent anything, or where what
/// it sent may be sent again; that leaves the key free.
pub(crate) async fn once<T, F>(
    cx: &Context,
    caller: &Caller,
    system: SystemKey,
    key: Option<IdempotencyKey>,
    request_hash: String,
    work: impl FnOnce(Option<Series>, bool) -> F,
    keep: impl FnOnce(&T) -> Keep + Send + 'static,
) -> Result<Once<T>, Problem>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Problem>> + Send + 'static,
{
    let Some(key) = key else { return staying(cx, work(None, false)).await.map(Once::Done) };
    let label = key.as_given().to_owned();
    let key = WriteKey { tenant: caller.tenant, user: caller.user, key: key.name };
    let claim = new_claim(cx);
    let (name, is_begun) = match cx.store.keyed_write(&key).await? {
        Some(known) if known.write.request_hash != request_hash => return Err(reused()),
        Some(KeyedWrite { answer: Some(kept), .. }) => return Ok(Once::Replayed(kept)),
        Some(known) => {
            if !cx.store.claim_keyed_write(&key, &claim).await? {
                return Err(in_use(known.claimed_to.since(cx.clock.now())));
            }
            // One without a series is a write by itself, and has another hash.
            (known.write.series.map(|series| series.name).unwrap_or_default(), true)
        }
        None => {
            let name = cx.entropy.hex(16);
            let series = Some(WriteSeries { name: name.clone(), part: None });
            let (sent_as, to_check) = (String::new(), json!({}));
            let write = NewKeyedWrite { system, request_hash, sent_as, erp_key: None, to_check, series };
            if !cx.store.begin_keyed_write(&key, &write, &claim).await? {
                return Err(in_use(Duration::ZERO));
            }
            (name, false)
        }
    };
    let work = work(Some(Series { name, label, may_come_again: true }), is_begun);
    let cx = cx.clone();
    staying(&cx.clone(), async move {
        let outcome = work.await;
        let store = &cx.store;
        match outcome.as_ref().map(keep) {
            Ok(Keep::Answer(kept)) => noted("the answer", store.answer_keyed_write(&key, &claim, &kept).await),
            Ok(Keep::Open) => noted("an open request", store.leave_keyed_write(&key, &claim).await),
            // Its writes bear the name of the series, which must not be lost once one may have been sent.
            Err(_) if is_begun => noted("an open request", store.leave_keyed_write(&key, &claim).await),
            Err(_) => noted("a failed request", store.forget_keyed_write(&key, &claim).await),
        }
        outcome.map(Once::Done)
    })
    .await
}
