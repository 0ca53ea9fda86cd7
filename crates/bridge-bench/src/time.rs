//! Time for measurements.

use std::time::Instant;

/// The instant now: what is measured here is real time.
#[expect(clippy::disallowed_methods, reason = "a measurement has no replayable clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}
