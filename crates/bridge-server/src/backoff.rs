//! How long to wait after failures in a row.

use bridge_model::Entropy;
use std::time::Duration;

/// More doublings than this change nothing: every upper bound is reached by then.
const DOUBLINGS_MAX: u32 = 16;

/// The pause after so many `failures` in a row: `shortest` doubled for each, at most `longest`, and up to half of it left
/// out by chance, so that those who failed together do not come back together.
pub fn backoff(entropy: &dyn Entropy, failures: u32, shortest: Duration, longest: Duration) -> Duration {
    let doubled = shortest.saturating_mul(1 << failures.min(DOUBLINGS_MAX));
    doubled.min(longest).mul_f64(0.5 + entropy.fraction() / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_model::entropy::SeededEntropy;

    #[test]
    fn it_doubles_up_to_its_bound_and_is_never_less_than_half() {
        let entropy = SeededEntropy::new(1);
        let (shortest, longest) = (Duration::from_millis(100), Duration::from_secs(10));
        for (failures, full_ms) in [(1, 200), (2, 400), (6, 6_400), (7, 10_000), (u32::MAX, 10_000)] {
            let full = Duration::from_millis(full_ms);
            for _ in 0..100 {
                let pause = backoff(&entropy, failures, shortest, longest);
                assert!(pause >= full / 2 && pause <= full, "{failures}: {pause:?}");
            }
        }
    }
}
