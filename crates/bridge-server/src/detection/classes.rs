//! How much models matter, by the patterns of the config.

use crate::config::Detection;
use bridge_model::{ModelClass, ModelName};

/// The class of a model.
pub fn class_of(config: &Detection, model: &ModelName, is_transient: bool) -> ModelClass {
    if is_transient || is_among(&config.transient_models, model) {
        ModelClass::Transient
    } else if is_among(&config.critical_models, model) {
        ModelClass::Critical
    } else if is_among(&config.important_models, model) {
        ModelClass::Important
    } else {
        ModelClass::Standard
    }
}

/// Whether one of the patterns means this model; a `*` stands for any part of a name.
pub fn is_among(patterns: &[String], model: &ModelName) -> bool {
    patterns.iter().any(|pattern| fits(pattern, model.as_str()))
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_documented_models_have_the_documented_classes() {
        let config = Detection::default();
        for (name, is_transient, class) in [
            ("sale.order", false, ModelClass::Critical),
            ("res.partner", false, ModelClass::Critical),
            ("sale.order.line", false, ModelClass::Important),
            ("stock.quant", false, ModelClass::Important),
            ("res.partner.category", false, ModelClass::Standard),
            ("sale.order.cancel", true, ModelClass::Transient),
        ] {
            assert_eq!(class_of(&config, &ModelName::parse(name).unwrap(), is_transient), class, "{name}");
        }
    }

    #[test]
    fn a_star_stands_for_any_part_of_a_name() {
        for (pattern, name, expected) in [
            ("sale.*", "sale.order", true),
            ("sale.*", "sales.order", false),
            ("*.report", "sale.report", true),
            ("*.report.*", "stock.report.lines", true),
            ("*.report.*", "stock.report", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*ba", "aba", false),
            ("*", "anything", true),
        ] {
            assert_eq!(fits(pattern, name), expected, "{pattern} {name}");
        }
    }
}
