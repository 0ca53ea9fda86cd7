//! Trying the targets out.

use super::message::Outgoing;
use super::targets::{SendError, Targets};
use crate::config::{self, ms};
use crate::language::Texts;
use anyhow::Context as _;
use bridge_model::{Clock, Entropy};

/// Sends a test to each target, one after the other; answers how it went with each, by their names.
pub async fn test(
    config: &config::Alerts,
    clock: &dyn Clock,
    entropy: &dyn Entropy,
) -> anyhow::Result<Vec<(String, anyhow::Result<()>)>> {
    let (targets, texts) = (Targets::new(config)?, Texts::new().context("read the messages")?);
    let mut outcomes = Vec::new();
    for target in targets.all() {
        let message = Outgoing::of_test(&texts, clock.now(), &entropy.hex(8), target.language);
        let sending = tokio::time::timeout(ms(config.send_timeout_ms), target.send(&message));
        let outcome = sending.await.unwrap_or(Err(SendError::Late));
        outcomes.push((target.name.clone(), outcome.map_err(anyhow::Error::new)));
    }
    Ok(outcomes)
}
