//! Which models and fields an Odoo has.

use super::calls::{Call, Caller};
use super::feed::search_read;
use crate::adapter::{Choice, ErpField, ErpModel};
use crate::{ErpError, ErpErrorKind};
use bridge_model::ModelName;
use serde_json::{Map, Value, json};
use std::collections::BTreeSet;

/// Every model, by name. What `ir.model` calls by a name that none of ours can be is left out.
pub(super) async fn all(caller: &Caller) -> Result<Vec<ErpModel>, ErpError> {
    let rows = match described(caller, &["model", "name", "transient", "modules", "abstract"]).await {
        // Older versions don't tell which models are abstract.
        Err(error) if error.kind == ErpErrorKind::InvalidRequest => {
            described(caller, &["model", "name", "transient", "modules"]).await?
        }
        outcome => outcome?,
    };
    let written = search_read(
        caller,
        "ir.model.fields",
        &json!([["name", "=", "write_date"], ["store", "=", true]]),
        &json!(["model"]),
        "id",
        None,
    )
    .await?;
    let written: BTreeSet<&str> = written.iter().filter_map(|row| row["model"].as_str()).collect();
    let mut models: Vec<ErpModel> = rows.iter().filter_map(|row| model(row, &written)).collect();
    models.sort_by(|a, b| a.model.cmp(&b.model));
    models.dedup_by(|a, b| a.model == b.model);
    Ok(models)
}

async fn described(caller: &Caller, fields: &[&str]) -> Result<Vec<Value>, ErpError> {
    search_read(caller, "ir.model", &json!([]), &json!(fields), "id", None).await
}

fn model(row: &Value, written: &BTreeSet<&str>) -> Option<ErpModel> {
    let name = row["model"].as_str()?;
    Some(ErpModel {
        model: ModelName::parse(name).ok()?,
        label: text(&row["name"]),
        modules: text(&row["modules"]),
        is_transient: row["transient"].as_bool().unwrap_or(false),
        is_abstract: row["abstract"].as_bool().unwrap_or(false),
        has_write_date: written.contains(name),
    })
}

/// The fields of a model, by name; what is for people is in `language`, if one is named.
pub(super) async fn fields(
    caller: &Caller,
    model: &ModelName,
    language: Option<&str>,
) -> Result<Vec<ErpField>, ErpError> {
    let attributes =
        json!(["string", "type", "relation", "required", "readonly", "store", "selection", "company_dependent"]);
    let mut kwargs = Map::from_iter([("attributes".to_owned(), attributes)]);
    if let Some(language) = language {
        kwargs.insert("context".to_owned(), json!({ "lang": language }));
    }
    let call = Call { model: model.as_str(), method: "fields_get", args: Vec::new(), kwargs };
    let Value::Object(answer) = caller.read(&call).await? else {
        return Err(ErpError::new(ErpErrorKind::Protocol, "fields_get answered something else than an object"));
    };
    let mut fields: Vec<ErpField> = answer.iter().map(|(name, field)| described_field(name, field)).collect();
    fields.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(fields)
}

fn described_field(name: &str, field: &Value) -> ErpField {
    let is = |attribute: &str| field[attribute].as_bool().unwrap_or(false);
    ErpField {
        name: name.to_owned(),
        label: text(&field["string"]).unwrap_or_else(|| name.to_owned()),
        kind: text(&field["type"]).unwrap_or_default(),
        relation: text(&field["relation"]),
        required: is("required"),
        readonly: is("readonly"),
        stored: is("store"),
        by_company: is("company_dependent"),
        selection: field["selection"].as_array().map(|choices| choices.iter().filter_map(choice).collect()),
    }
}

/// A pair of value and label; values that are no texts are as good as unheard of.
fn choice(pair: &Value) -> Option<Choice> {
    Some(Choice { value: pair[0].as_str()?.to_owned(), label: pair[1].as_str().unwrap_or_default().to_owned() })
}

fn text(value: &Value) -> Option<String> {
    value.as_str().filter(|text| !text.is_empty()).map(str::to_owned)
}
