//! How much models matter, by the patterns of the config.

use crate::config::Detection;
use bridge_model::{ModelClass, ModelName, is_among};

/// The class of a model.
pub fn class_of(config: &Detection, model: &ModelName, is_transient: bool) -> ModelClass {
    if is_transient || is_among(&config.transient_models, model.as_str()) {
        ModelClass::Transient
    } else if is_among(&config.critical_models, model.as_str()) {
        ModelClass::Critical
    } else if is_among(&config.important_models, model.as_str()) {
        ModelClass::Important
    } else {
        ModelClass::Standard
    }
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
}
