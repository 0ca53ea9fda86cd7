//! What is known of a polled model: which records it has, and which were written lately.

use super::ids::IdSet;
use super::session::{Failure, Session, second_of, time_of};
use crate::language::Message;
use crate::problem::{Problem, ProblemKind};
use bridge_model::{ModelClass, ModelName, NewChange};
use bridge_store::{Polled, PolledSave};
use std::collections::HashMap;
use tokio::time::Instant;

/// A model that is polled.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub(super) model: ModelName,
    pub(super) class: ModelClass,
    /// Whether its records tell when they were written last; if not, only new and deleted ones are seen.
    pub(super) has_write_date: bool,
}

/// A record that was written within the longest transaction, as it was when the log was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Noted {
    /// The second of its write.
    pub(super) second: i64,
    /// Stands for its contents.
    pub(super) digest: u64,
}

/// What is known of a model.
#[derive(Debug)]
pub(super) struct Known {
    pub(super) polled: Polled,
    pub(super) ids: IdSet,
    pub(super) noted: HashMap<i64, Noted>,
    /// Records whose second was not over when they were first seen, and when that was: they are told of when it is.
    pub(super) fresh: HashMap<i64, (i64, Instant)>,
    /// The fields that make up a record's contents, once they were asked for.
    pub(super) contents: Option<Vec<String>>,
    /// Whether messages are kept with the records, which may tell of their changes.
    pub(super) has_messages: bool,
    /// When the last thorough look was, and how many records it read.
    pub(super) thorough: Option<(Instant, usize)>,
    /// What of `polled.settled_to` is durable, in seconds.
    pub(super) settled_saved: i64,
    /// Up to which id the records were last compared one by one, and when, where they have no times.
    pub(super) walked: (i64, Option<Instant>),
}

/// Bytes of a noted record.
const NOTED_BYTES: usize = 24;

impl Known {
    /// What is known of a model that was looked at before; `None` if it was not.
    pub(super) async fn load(session: &Session<'_>, target: &Target) -> Result<Option<Self>, Failure> {
        let (store, tenant, system) = (&session.cx.store, session.system.tenant, session.system.key);
        let Some(mut polled) = store.polled(tenant, system, &target.model).await? else { return Ok(None) };
        // A time that can't have come would hide everything that is written until then.
        let believed_to = time_of(session.believed_to());
        polled.seen_to = polled.seen_to.min(believed_to);
        polled.quiet_to = polled.quiet_to.map(|quiet_to| quiet_to.min(believed_to));
        let ids = IdSet::load(store.polled_ids(tenant, system, &target.model).await?)
            .map_err(|error| Problem::new(ProblemKind::Internal, Message::internal()).caused_by(error))?;
        Ok(Some(Self::of(polled, ids)))
    }

    pub(super) fn of(polled: Polled, ids: IdSet) -> Self {
        let settled_saved = second_of(polled.settled_to);
        let noted = polled.adopted.as_deref().map(decode).unwrap_or_default();
        Self {
            ids,
            noted: noted.into_iter().filter(|(_, noted)| noted.second >= settled_saved).collect(),
            fresh: HashMap::new(),
            contents: None,
            has_messages: false,
            thorough: None,
            walked: (0, None),
            settled_saved,
            polled,
        }
    }

    /// Puts changes into the log, together with what is known after them.
    pub(super) async fn save(
        &mut self,
        session: &Session<'_>,
        target: &Target,
        changes: Vec<NewChange>,
        anew: bool,
    ) -> Result<(), Failure> {
        let save = PolledSave {
            system: session.system.key,
            model: target.model.clone(),
            polled: self.polled.clone(),
            anew,
            blocks: self.ids.take_changed(),
        };
        session.append(changes, save).await?;
        self.settled_saved = second_of(self.polled.settled_to);
        Ok(())
    }
}

/// Noted records as they are kept from the first look on.
pub(super) fn encode(noted: &HashMap<i64, Noted>) -> Vec<u8> {
    let parts =
        noted.iter().map(|(id, noted)| [id.to_le_bytes(), noted.second.to_le_bytes(), noted.digest.to_le_bytes()]);
    parts.flatten().flatten().collect()
}

fn decode(bytes: &[u8]) -> HashMap<i64, Noted> {
    let numbers = |record: &[u8; NOTED_BYTES]| {
        let (parts, _) = record.as_chunks::<8>();
        let second = i64::from_le_bytes(parts[1]);
        (i64::from_le_bytes(parts[0]), Noted { second, digest: u64::from_le_bytes(parts[2]) })
    };
    bytes.as_chunks::<NOTED_BYTES>().0.iter().map(numbers).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn noted_records_come_back_from_their_bytes() {
        let noted = HashMap::from([
            (1, Noted { second: 1_700_000_000, digest: u64::MAX }),
            (i64::MAX, Noted { second: 0, digest: 7 }),
        ]);
        assert_eq!(decode(&encode(&noted)), noted);
        assert!(decode(&[]).is_empty());
    }
}
