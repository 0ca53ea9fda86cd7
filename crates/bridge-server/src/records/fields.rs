//! The fields of models, as the acting user sees them.

use super::Acting;
use crate::config::ms;
use crate::problem::Problem;
use bridge_erp::ErpField;
use bridge_model::{ModelName, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// The fields of a model.
#[derive(Debug)]
pub struct ModelFields {
    by_name: BTreeMap<String, ErpField>,
    asked_at: Timestamp,
}

/// What is older than this is asked for again before a field is said not to exist: it may be new.
const DOUBTED_AFTER: Duration = Duration::from_secs(10);

impl ModelFields {
    /// The field of this name.
    pub fn get(&self, name: &str) -> Option<&ErpField> {
        self.by_name.get(name)
    }

    /// All of them, by name.
    pub fn iter(&self) -> impl Iterator<Item = &ErpField> {
        self.by_name.values()
    }

    /// What is read if nobody names fields: what the record itself holds, without files and without the other side of
    /// other records' links.
    pub fn own(&self) -> Vec<String> {
        let is_own = |field: &&ErpField| field.stored && !matches!(field.kind.as_str(), "binary" | "one2many");
        self.iter().filter(is_own).map(|field| field.name.clone()).collect()
    }
}

impl Acting {
    /// The fields of a model, as known for at most `records.fields_fresh_ms`.
    pub async fn fields(&self, model: &ModelName) -> Result<Arc<ModelFields>, Problem> {
        self.fields_at_most(model, ms(self.cx.config.records.fields_fresh_ms)).await
    }

    /// The same for a request that names `names`: if one is not among them, they are asked for anew, unless that was
    /// just done.
    pub async fn fields_with<'n>(
        &self,
        model: &ModelName,
        mut names: impl Iterator<Item = &'n str>,
    ) -> Result<Arc<ModelFields>, Problem> {
        let known = self.fields(model).await?;
        if names.all(|name| known.get(name).is_some()) {
            return Ok(known);
        }
        self.fields_at_most(model, DOUBTED_AFTER).await
    }

    async fn fields_at_most(&self, model: &ModelName, age_max: Duration) -> Result<Arc<ModelFields>, Problem> {
        let (key, now) = ((self.access, model.clone()), self.cx.clock.now());
        let known = &self.cx.records.fields;
        if let Some(fields) = known.get(&key).filter(|fields| now.since(fields.asked_at) < age_max) {
            return Ok(fields);
        }
        let fields = self.asked(model, self.adapter.fields(model)).await?;
        let by_name = fields.into_iter().map(|field| (field.name.clone(), field)).collect();
        let fields = Arc::new(ModelFields { by_name, asked_at: now });
        known.insert(key, Arc::clone(&fields));
        Ok(fields)
    }

    /// The leading number of the system's version.
    pub async fn version(&self, model: &ModelName) -> Result<u32, Problem> {
        let (key, now) = (self.access.of_system(), self.cx.clock.now());
        let age_max = ms(self.cx.config.records.fields_fresh_ms);
        if let Some((asked_at, major)) = self.cx.records.versions.get(&key)
            && now.since(asked_at) < age_max
        {
            return Ok(major);
        }
        let major = self.asked(model, self.adapter.server_info()).await?.major;
        self.cx.records.versions.insert(key, (now, major));
        Ok(major)
    }
}
