//! Who sees the changes of a system's models, and how well, by what the service notes of it.

use super::code::{Check, Code};
use super::finding::{Finding, Findings};
use super::{Examination, service};
use crate::cli::words;
use crate::config::ms;
use bridge_model::{Strategy, Timestamp};
use bridge_store::{Choice, Detection, StoreError, StrategyHealth, System, TrackedModel};
use std::time::Duration;

/// Looks at what is noted of the system. The error is what kept the rest from being looked at.
pub(super) async fn examine(cx: &Examination, system: &System, findings: &mut Findings) -> Result<(), String> {
    let noted = async {
        let models = cx.store.tracked_models(system.tenant, system.key).await?;
        let detection = cx.store.detection(system.tenant, system.key).await?;
        Ok::<_, StoreError>((models, detection, cx.store.strategy_health(system.tenant, system.key).await?))
    };
    let (models, detection, health) = noted.await.map_err(|error| service::causes(&error))?;
    examine_models(cx, system, &models, detection.as_ref(), findings);
    examine_sources(cx, system, &models, &health, findings);
    Ok(())
}

/// How many times the interval a look-up may be late.
const DISCOVERY_LATE: u32 = 3;

fn examine_models(
    cx: &Examination,
    system: &System,
    models: &[TrackedModel],
    detection: Option<&Detection>,
    findings: &mut Findings,
) {
    let add = |findings: &mut Findings, code, seen: String| {
        findings.add(Finding::new(Check::Models, code, seen).with("system", system.system_id.as_str()));
    };
    if !cx.config.detection.enabled {
        return findings.fine(Check::Models, "detection is off: what the add-on tells is taken");
    }
    let now = cx.clock.now();
    let discovered_at = detection.and_then(|detection| detection.discovered_at);
    let late = ms(cx.config.detection.discover_interval_ms) * DISCOVERY_LATE;
    match discovered_at {
        None => return add(findings, Code::ModelsNotDiscovered, "they were never looked up".to_owned()),
        Some(at) if now.since(at) > late => {
            let seen = format!("they were last looked up {} ago", words::duration(now.since(at)));
            add(findings, Code::ModelsNotDiscovered, seen);
        }
        Some(_) => {}
    }
    let fallback = detection.map_or(Choice::Auto, |detection| detection.fallback);
    let unowned: Vec<_> =
        models.iter().filter(|model| model.owner.is_none() && is_wanted(model, fallback)).map(name).collect();
    if !unowned.is_empty() {
        let count = words::count(unowned.len(), "model is", "models are");
        add(findings, Code::ModelsUnowned, format!("{count} seen by nobody: {}", words::list(&unowned)));
    }
    let misplaced: Vec<_> = models.iter().filter(|model| is_misplaced(model, fallback)).map(name).collect();
    if !misplaced.is_empty() {
        let seen = format!(
            "{} not seen as chosen: {}",
            words::count(misplaced.len(), "model is", "models are"),
            words::list(&misplaced)
        );
        add(findings, Code::ModelsNotAsChosen, seen);
    }
    if findings.0.iter().all(|finding| finding.check != Check::Models) {
        findings.fine(Check::Models, census(models));
    }
}

fn name(model: &TrackedModel) -> &str {
    model.found.model.as_str()
}

/// Whether somebody should see a model's changes.
fn is_wanted(model: &TrackedModel, fallback: Choice) -> bool {
    match (model.choice, fallback) {
        (Choice::Nothing, _) | (Choice::Auto, Choice::Nothing) => false,
        (Choice::Strategy(_), _) | (Choice::Auto, Choice::Strategy(_)) => !model.found.available.is_empty(),
        (Choice::Auto, Choice::Auto) => model.found.recommended.is_some(),
    }
}

/// Whether an admin named a strategy for this model that can't see it now.
fn is_misplaced(model: &TrackedModel, fallback: Choice) -> bool {
    match (model.choice, fallback) {
        (Choice::Strategy(chosen), _) => !model.found.available.contains(&chosen),
        // What was chosen for all means those that it can see.
        _ => false,
    }
}

/// How many models each strategy owns.
fn census(models: &[TrackedModel]) -> String {
    let owned = |strategy| models.iter().filter(|model| model.owner == Some(strategy)).count();
    let parts: Vec<String> = Strategy::ALL
        .into_iter()
        .map(|strategy| (strategy, owned(strategy)))
        .filter(|(_, count)| *count > 0)
        .map(|(strategy, count)| format!("{count} by {strategy}"))
        .collect();
    let seen = if parts.is_empty() { "none is seen".to_owned() } else { format!("seen: {}", parts.join(", ")) };
    format!("{} known; {seen}", models.len())
}

/// How each strategy that owns something does.
fn examine_sources(
    cx: &Examination,
    system: &System,
    models: &[TrackedModel],
    health: &[StrategyHealth],
    findings: &mut Findings,
) {
    let has_share = |strategy| {
        models.iter().any(|model| model.owner == Some(strategy) || model.successor == Some(strategy))
            // Without detection it is the add-on that sees everything.
            || strategy == Strategy::Addon && !cx.config.detection.enabled
    };
    let mut any = false;
    for strategy in Strategy::ALL.into_iter().filter(|strategy| has_share(*strategy)) {
        any = true;
        let known = health.iter().find(|known| known.strategy == strategy);
        findings.add(judge_source(cx, system, strategy, known));
    }
    if !any {
        findings.fine(Check::Sources, "no strategy owns a model, so that none is asked for");
    }
    if let Some(told) = &cx.told
        && let Some(behind) = told.of_system("poll_behind_seconds", system.tenant, &system.system_id)
        && behind > ms(cx.config.detection.poll.standard_idle_ms).as_secs_f64()
    {
        let late = words::duration(Duration::try_from_secs_f64(behind).unwrap_or_default());
        let finding = Finding::new(Check::Sources, Code::PollBehind, format!("poll: a model is overdue by {late}"));
        findings.add(finding.with("behind_seconds", behind));
    }
}

fn judge_source(cx: &Examination, system: &System, strategy: Strategy, known: Option<&StrategyHealth>) -> Finding {
    let now = cx.clock.now();
    let ago = |at: Timestamp| words::duration(now.since(at));
    let finding = |code, seen: String| {
        Finding::new(Check::Sources, code, format!("{strategy}: {seen}"))
            .with("system", system.system_id.as_str())
            .with("strategy", strategy.as_str())
    };
    if let Some(StrategyHealth { failing_since: Some(since), last_error, .. }) = known {
        let error = last_error.as_deref().unwrap_or("no reason is known");
        return finding(Code::SourceFailing, format!("has been failing for {}: {error}", ago(*since)));
    }
    let Some(succeeded_at) = known.and_then(|known| known.succeeded_at) else {
        return finding(Code::SourceSilent, "has never looked with success".to_owned());
    };
    // What the service measures is newer than what it notes, which it does every few seconds.
    let measured = cx
        .told
        .as_ref()
        .and_then(|told| told.of_strategy("source_lag_seconds", system.tenant, &system.system_id, strategy));
    let noted = now.since(succeeded_at);
    let lag = measured.and_then(|lag| Duration::try_from_secs_f64(lag).ok()).map_or(noted, |lag| lag.min(noted));
    let code = if lag > patience(cx, strategy) { Code::SourceSilent } else { Code::Fine };
    let seen = format!("looked with success {} ago", words::duration(lag));
    finding(code, seen).with("lag_seconds", (lag.as_secs_f64() * 10.0).round() / 10.0)
}

/// How long a strategy may not have looked. A model that nothing happens in is polled rarely.
fn patience(cx: &Examination, strategy: Strategy) -> Duration {
    let detection = &cx.config.detection;
    let rest = if strategy == Strategy::Poll { ms(detection.poll.standard_idle_ms) } else { Duration::ZERO };
    ms(detection.failover_ms).saturating_add(rest)
}
