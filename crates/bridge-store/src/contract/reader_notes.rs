//! What readers remember of their sources.

use super::bed::changes;
use super::{Bed, contract};
use crate::{Append, ReaderNote, StoreError};
use bridge_model::SystemKey;
use std::time::Duration;

contract! { a_note_is_saved_with_what_was_read }

const SYSTEM: SystemKey = SystemKey(1);

async fn a_note_is_saved_with_what_was_read(bed: Bed) {
    let store = bed.open().await;
    let tenant = bed.tenant(&store).await;
    assert_eq!(store.reader_note(tenant, SYSTEM, "capture").await.unwrap(), None);
    let note = |text: &str| Some(ReaderNote { system: SYSTEM, reader: "capture", note: text.to_owned() });
    store.append(tenant, Append { note: note("one"), ..changes([1]) }).await.unwrap();
    store.append(tenant, Append { note: note("two"), ..Append::default() }).await.unwrap();
    let saved = async |reader: &str| store.reader_note(tenant, SYSTEM, reader).await.unwrap();
    assert_eq!(saved("capture").await.as_deref(), Some("two"));
    assert_eq!(saved("other").await, None);

    // Whoever has lost the lease saves neither.
    let ttl = Duration::from_secs(5);
    let old = store.acquire_lease("reader", "node a", ttl).await.unwrap().unwrap();
    bed.clock.advance(ttl * 2);
    store.acquire_lease("reader", "node b", ttl).await.unwrap().unwrap();
    let late = Append { note: note("late"), fence: Some(old.fence()), ..changes([2]) };
    assert!(matches!(store.append(tenant, late).await, Err(StoreError::Fenced)));
    assert_eq!(saved("capture").await.as_deref(), Some("two"));
}
