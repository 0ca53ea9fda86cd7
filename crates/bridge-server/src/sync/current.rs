//! Records as they are in the ERP now, in the form that devices get them.

use super::scope::Viewer;
use crate::config::ms;
use crate::context::Context;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use crate::records::{Record, tidy};
use bridge_erp::{Adapter, ErpError, ErpErrorKind, SearchRead};
use bridge_model::{ModelName, SystemKey, Timestamp};
use bridge_store::System;
use moka::sync::Cache;
use serde_json::{Map, Value, json};
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// The most records that one call of the ERP may answer.
pub(super) const ROWS_PER_CALL_MAX: u32 = 1_000;

/// What was learned of the ERPs' models; it is asked for again once it is as old as rights may be.
#[derive(Debug)]
pub(super) struct Models {
    fields: Cache<(SystemKey, ModelName), Arc<Fields>>,
    tracked: Cache<SystemKey, Arc<(Timestamp, Vec<ModelName>)>>,
}

/// The most models whose fields are kept in memory.
const KNOWN_MODELS_MAX: u64 = 2_000;

impl Default for Models {
    fn default() -> Self {
        Self { fields: Cache::new(KNOWN_MODELS_MAX), tracked: Cache::new(KNOWN_MODELS_MAX) }
    }
}

/// The fields of a model.
#[derive(Debug)]
struct Fields {
    types: HashMap<String, String>,
    /// What is read if nobody names fields: what the record itself holds, without files and without the other side of
    /// other records' links.
    own: Vec<String>,
    asked_at: Timestamp,
}

/// Why records could not be read.
#[derive(Debug)]
pub(super) enum NotRead {
    /// The ERP says no, or nothing.
    Erp(ErpError),
    /// The request names a field that the model does not have.
    UnknownField(String),
}

impl From<NotRead> for Problem {
    fn from(error: NotRead) -> Self {
        match error {
            NotRead::Erp(error) => error.into(),
            NotRead::UnknownField(name) => {
                Self::field("fields", Reason::unknown_model_field()).with("unknown_field", name)
            }
        }
    }
}

/// Reads one system's records for a viewer.
#[derive(Debug)]
pub(super) struct Reading<'a> {
    cx: &'a Context,
    system: SystemKey,
    adapter: Arc<dyn Adapter>,
    /// As whom; `None`: with the system's own credential, which is for admins.
    erp_user: Option<i64>,
}

impl<'a> Reading<'a> {
    /// As the viewer's ERP user; an admin whom no ERP user of this system is linked to reads with its credential.
    pub(super) fn new(cx: &'a Context, viewer: &Viewer, system: &System) -> Result<Self, Problem> {
        let erp_user = viewer.erp_user_id.filter(|_| is_linked(viewer, system));
        if erp_user.is_none() && !viewer.is_admin {
            return Err(Problem::new(ProblemKind::ErpUserNotLinked, Message::no_erp_user_in_system()));
        }
        Ok(Self { cx, system: system.key, adapter: cx.erps.adapter(system)?, erp_user })
    }

    /// Reads at most `limit` records in the order of their ids, archived ones as well. Without `fields` those that
    /// the record itself holds.
    pub(super) async fn read(
        &self,
        model: &ModelName,
        domain: &Value,
        fields: Option<&[String]>,
        limit: u32,
    ) -> Result<Vec<Record>, NotRead> {
        let mut known = self.fields_of(model).await?;
        let mut rows = self.rows(model, domain, &known, fields, limit).await;
        if matches!(&rows, Err(NotRead::UnknownField(_)))
            || matches!(&rows, Err(NotRead::Erp(error)) if error.kind == ErpErrorKind::InvalidRequest)
        {
            // The model may have other fields by now than it had when they were asked for.
            self.cx.rights.models.fields.invalidate(&(self.system, model.clone()));
            known = self.fields_of(model).await?;
            rows = self.rows(model, domain, &known, fields, limit).await;
        }
        let mut rows = rows?;
        for row in &mut rows {
            for (name, value) in row.iter_mut() {
                if let Some(kind) = known.types.get(name) {
                    tidy(kind, value);
                }
            }
        }
        Ok(rows)
    }

    async fn rows(
        &self,
        model: &ModelName,
        domain: &Value,
        known: &Fields,
        fields: Option<&[String]>,
        limit: u32,
    ) -> Result<Vec<Record>, NotRead> {
        let mut fields = fields.unwrap_or(&known.own).to_vec();
        if let Some(unknown) = fields.iter().find(|name| !known.types.contains_key(*name)) {
            return Err(NotRead::UnknownField(unknown.clone()));
        }
        if !fields.iter().any(|name| name == "id") {
            fields.push("id".to_owned());
        }
        let query = SearchRead {
            model: model.clone(),
            domain: domain.clone(),
            fields,
            offset: 0,
            limit,
            order: "id asc".to_owned(),
            context: Map::from_iter([("active_test".to_owned(), json!(false))]),
        };
        let rows = match self.erp_user {
            Some(erp_user) => self.adapter.search_read_as(erp_user, &query).await,
            None => self.adapter.search_read(&query).await,
        };
        rows.map_err(NotRead::Erp)
    }

    async fn fields_of(&self, model: &ModelName) -> Result<Arc<Fields>, NotRead> {
        let key = (self.system, model.clone());
        let now = self.cx.clock.now();
        let fresh = ms(self.cx.config.sync.rights_fresh_ms);
        if let Some(known) = self.cx.rights.models.fields.get(&key).filter(|known| now.since(known.asked_at) < fresh) {
            return Ok(known);
        }
        let kwargs = Map::from_iter([("attributes".to_owned(), json!(["type", "store"]))]);
        let answer = self.adapter.call(model, "fields_get", Vec::new(), kwargs).await.map_err(NotRead::Erp)?;
        let Value::Object(described) = answer else {
            let message = "fields_get answered something of another form than it should";
            return Err(NotRead::Erp(ErpError::new(ErpErrorKind::Protocol, message)));
        };
        let mut fields = Fields { types: HashMap::new(), own: Vec::new(), asked_at: now };
        for (name, field) in described {
            let kind = field["type"].as_str().unwrap_or_default();
            if field["store"] != json!(false) && !matches!(kind, "binary" | "one2many") {
                fields.own.push(name.clone());
            }
            fields.types.insert(name, kind.to_owned());
        }
        let fields = Arc::new(fields);
        self.cx.rights.models.fields.insert(key, Arc::clone(&fields));
        Ok(fields)
    }

    /// The models that the system's add-on tracks, as far as it tells.
    pub(super) async fn tracked_models(&self) -> Result<Vec<ModelName>, Problem> {
        let now = self.cx.clock.now();
        let fresh = ms(self.cx.config.sync.rights_fresh_ms);
        if let Some(known) = self.cx.rights.models.tracked.get(&self.system).filter(|known| now.since(known.0) < fresh)
        {
            return Ok(known.1.clone());
        }
        let table = ModelName::parse("update.webhook")?;
        let tracked: BTreeSet<ModelName> =
            match self.adapter.call(&table, "bridgecore_info", Vec::new(), Map::new()).await {
                Ok(info) => info["tracked_models"]
                    .as_array()
                    .into_iter()
                    .flatten()
                    .filter_map(|name| ModelName::parse(name.as_str()?).ok())
                    .collect(),
                // Not our add-on, which alone can tell.
                Err(error) if matches!(error.kind, ErpErrorKind::UnknownModel | ErpErrorKind::UnknownMethod) => {
                    BTreeSet::new()
                }
                Err(error) => return Err(error.into()),
            };
        let tracked: Vec<ModelName> = tracked.into_iter().collect();
        self.cx.rights.models.tracked.insert(self.system, Arc::new((now, tracked.clone())));
        Ok(tracked)
    }
}

/// Whether the viewer's ERP user is in this system: in another one the same number is another person.
pub(super) fn is_linked(viewer: &Viewer, system: &System) -> bool {
    viewer.erp_system.map_or(system.is_primary, |linked| linked == system.key)
}
