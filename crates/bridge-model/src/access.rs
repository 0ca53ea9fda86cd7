//! Which models and operations are open to those who act with a system's own credential.

use crate::{MethodName, ModelName};
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// Something that is done with records.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Operation {
    /// Reading, searching and counting.
    Read,
    /// Creating.
    Create,
    /// Changing.
    Update,
    /// Deleting.
    Delete,
}

impl Operation {
    /// The word in the API.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Create => "create",
            Self::Update => "update",
            Self::Delete => "delete",
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What is open of one model.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(deny_unknown_fields, default)]
pub struct ModelAccess {
    /// What may be done with its records.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<Operation>))]
    pub operations: BTreeSet<Operation>,
    /// The methods that may be called.
    #[cfg_attr(feature = "openapi", schema(value_type = Vec<MethodName>))]
    pub methods: BTreeSet<MethodName>,
}

/// What is open of a system; nothing unless it is listed.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct AllowList(pub BTreeMap<ModelName, ModelAccess>);

impl AllowList {
    /// Whether this may be done with records of the model.
    pub fn permits(&self, model: &ModelName, operation: Operation) -> bool {
        self.0.get(model).is_some_and(|access| access.operations.contains(&operation))
    }

    /// Whether this method of the model may be called.
    pub fn permits_method(&self, model: &ModelName, method: &MethodName) -> bool {
        self.0.get(model).is_some_and(|access| access.methods.contains(method))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_not_listed_is_not_permitted() {
        let list: AllowList = serde_json::from_value(json!({
            "res.partner": { "operations": ["read", "update"], "methods": ["action_archive"] },
            "sale.order": {},
        }))
        .unwrap();
        let model = |name: &str| ModelName::parse(name).unwrap();
        let partner = model("res.partner");
        assert!(list.permits(&partner, Operation::Read) && list.permits(&partner, Operation::Update));
        assert!(!list.permits(&partner, Operation::Create) && !list.permits(&partner, Operation::Delete));
        let method = |name: &str| MethodName::parse(name).unwrap();
        assert!(list.permits_method(&partner, &method("action_archive")));
        assert!(!list.permits_method(&partner, &method("unlink")));
        for name in ["sale.order", "res.users"] {
            assert!(!list.permits(&model(name), Operation::Read), "{name}");
        }
        assert!(serde_json::from_value::<AllowList>(json!({ "res.partner": { "operations": ["all"] } })).is_err());
        assert!(serde_json::from_value::<AllowList>(json!({ "res.partner": { "method": [] } })).is_err());
        assert!(serde_json::from_value::<AllowList>(json!({ "res.partner": { "methods": ["_write"] } })).is_err());
    }
}
