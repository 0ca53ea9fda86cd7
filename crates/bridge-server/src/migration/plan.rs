//! What would happen.

use super::answer::{MigrationPlan, path, steps, warnings};
use super::read::Reading;
use super::request::{Asked, MigrateRequest, Source};
use crate::auth::Caller;
use crate::context::Context;
use crate::problem::Problem;
use bridge_model::SystemId;
use bridge_model::migration::Tally;

/// Tells what would happen to records, and changes nothing. Records of the system are for admins.
pub async fn plan(
    cx: &Context,
    caller: &Caller,
    system_id: &SystemId,
    request: MigrateRequest,
) -> Result<MigrationPlan, Problem> {
    let asked = Asked::new(cx, caller.tenant, system_id, request).await?;
    let plan = asked.plan(cx);
    let mut tally = Tally::default();
    let records = match &asked.source {
        Source::Nothing => Vec::new(),
        Source::Data { records, .. } => records.clone(),
        Source::System { ids, fields } => {
            let admin = caller.clone().into_admin()?;
            let reading =
                Reading::new(cx, &admin, &asked.system.system_id, &asked.model, fields.as_deref(), false).await?;
            let found = reading.all(ids).await?;
            found.into_iter().map(|(_, record)| record).collect()
        }
    };
    for record in records {
        // A model that is gone is told in the plan itself.
        if plan.apply(record, &mut tally).is_err() {
            break;
        }
    }
    let has_records = tally.records() > 0;
    let found = if has_records { plan.counted(&tally) } else { plan.warnings.clone() };
    Ok(MigrationPlan {
        success: true,
        rule_pack: asked.pack.into(),
        model: plan.model.clone(),
        target_model: plan.target_model.clone(),
        from_version: plan.from.as_str(),
        to_version: plan.to.as_str(),
        migration_path: path(&plan),
        steps: steps(&plan),
        complexity: plan.path.len() - 1,
        model_missing_in: plan.missing_in.map(bridge_model::migration::Version::as_str),
        records: tally.records(),
        warnings: warnings(cx, caller, found),
    })
}
