//! The options of a call: language, time zone, companies, archived records.

use crate::config;
use crate::language::Reason;
use crate::problem::Problem;
use serde_json::{Map, Value, json};

/// The options of a call, checked.
#[derive(Debug, Clone, Default)]
pub struct Options(pub(super) Map<String, Value>);

/// The longest value of an option, in bytes of JSON.
const VALUE_BYTES_MAX: usize = 4_096;

impl Options {
    /// The options that a request gives, by `context` and by `lang`; `Invalid` for one that is not in
    /// `records.context_keys`, or that has no plain value.
    pub fn parse(
        config: &config::Records,
        context: Option<&Map<String, Value>>,
        lang: Option<&str>,
    ) -> Result<Self, Problem> {
        let mut options = Map::new();
        for (key, value) in context.into_iter().flatten() {
            let field = format!("context.{key}");
            if !config.context_keys.iter().any(|known| known == key) {
                return Err(Problem::field(&field, Reason::context_key(config.context_keys.join(", "))));
            }
            check(key, value).map_err(|reason| Problem::field(&field, reason))?;
            options.insert(key.clone(), value.clone());
        }
        if let Some(lang) = lang {
            check("lang", &json!(lang)).map_err(|reason| Problem::field("lang", reason))?;
            options.insert("lang".to_owned(), json!(lang));
        }
        Ok(Self(options))
    }

    /// The language that is asked for.
    pub fn language(&self) -> Option<&str> {
        self.0.get("lang").and_then(Value::as_str)
    }
}

fn check(key: &str, value: &Value) -> Result<(), Reason> {
    let is_plain = |value: &Value| !value.is_object() && !value.is_array();
    match key {
        "lang" if !value.as_str().is_some_and(is_language) => Err(Reason::erp_language()),
        "tz" if !value.as_str().is_some_and(is_time_zone) => Err(Reason::time_zone()),
        "active_test" if !value.is_boolean() => Err(Reason::true_or_false()),
        "allowed_company_ids" if !value.as_array().is_some_and(|ids| ids.iter().all(Value::is_i64)) => {
            Err(Reason::list_of_ids())
        }
        _ => {
            let fits = value.as_array().map_or_else(|| is_plain(value), |items| items.iter().all(is_plain));
            if fits && value.to_string().len() <= VALUE_BYTES_MAX { Ok(()) } else { Err(Reason::plain_value()) }
        }
    }
}

/// `ar`, `ar_001`, `sr@latin`, as Odoo writes them.
fn is_language(text: &str) -> bool {
    (2..=16).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '@'))
}

/// `Africa/Casablanca`, `Etc/GMT+1`.
fn is_time_zone(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '_' | '/' | '+' | '-'))
}
