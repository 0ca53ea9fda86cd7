//! Identifiers, parsed once at the edge so that nothing behind it has to check them again.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A text that does not have the form which its kind of identifier asks for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{field} {reason}")]
pub struct InvalidId {
    /// The field's name in the public API, for example `device_id`.
    pub field: &'static str,
    /// What is asked for, as the end of a sentence that starts with the field's name.
    pub reason: &'static str,
}

macro_rules! number_id {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

number_id! {
    /// A tenant: the wall that no data crosses. Comes from a verified token or key, never from a body.
    TenantId
}
number_id! {
    /// BridgeCore's own user id (`user_id` and `sub` in the API); not the ERP's user id.
    UserId
}
number_id! {
    /// The store's own number of a registered system; the public name is [`SystemId`].
    SystemKey
}

macro_rules! text_id {
    ($(#[$doc:meta])* $name:ident, $field:literal, $reason:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(try_from = "String", into = "String")]
        pub struct $name(String);

        impl $name {
            /// The rule that a text breaks which is none of these.
            pub const RULE: InvalidId = InvalidId { field: $field, reason: $reason };

            /// Checks the form of `text`; the error says what is asked for.
            pub fn parse(text: impl Into<String>) -> Result<Self, InvalidId> {
                let text = text.into();
                let check: fn(&str) -> bool = $check;
                if check(&text) {
                    Ok(Self(text))
                } else {
                    Err(Self::RULE)
                }
            }

            /// The identifier as text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = InvalidId;
            fn try_from(text: String) -> Result<Self, InvalidId> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(id: $name) -> Self {
                id.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl AsRef<str> for $name {
            fn as_ref(&self) -> &str {
                &self.0
            }
        }
    };
}

text_id! {
    /// The public name of a registered system within its tenant, for example `odoo_main`.
    SystemId, "system_id",
    "must be 1 to 64 characters of a-z, A-Z, 0-9, '_', '-' and '.', starting with a letter or digit",
    |text| (1..=64).contains(&text.len()) && text.starts_with(|c: char| c.is_ascii_alphanumeric()) && text.chars().all(is_name_char)
}
text_id! {
    /// A device as its app names it. The shortest length is the one that Odoo's own model asks for.
    DeviceId, "device_id",
    "must be 3 to 128 characters of a-z, A-Z, 0-9 and '_-.:@'",
    |text| (3..=128).contains(&text.len()) && text.chars().all(|c| is_name_char(c) || matches!(c, ':' | '@'))
}
text_id! {
    /// The kind of app a device runs; the config maps each to its models.
    AppType, "app_type",
    "must be 1 to 64 characters of a-z, 0-9 and '_'",
    |text| (1..=64).contains(&text.len()) && text.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}
text_id! {
    /// The name of an ERP's model or entity, for example `sale.order`.
    ModelName, "model",
    "must be 1 to 128 characters of a-z, A-Z, 0-9, '_', '-' and '.'",
    |text| (1..=128).contains(&text.len()) && text.chars().all(is_name_char)
}
text_id! {
    /// The name of a public method of a model, for example `action_confirm`. What starts with an underscore is private
    /// in every Odoo.
    MethodName, "method",
    "must be 1 to 128 characters of a-z, A-Z, 0-9 and '_', starting with a letter",
    |text| (1..=128).contains(&text.len())
        && text.starts_with(|c: char| c.is_ascii_alphabetic())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_')
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_ids_refuse_what_they_say_they_refuse() {
        for bad in ["", "ab", "a b c", "é-phone", &"x".repeat(129)] {
            assert_eq!(DeviceId::parse(bad).unwrap_err().field, "device_id", "{bad:?}");
        }
        assert_eq!(DeviceId::parse("iphone-abc123").unwrap().as_str(), "iphone-abc123");
        assert!(SystemId::parse("-x").is_err());
        assert!(ModelName::parse("sale.order").is_ok());
        assert!(ModelName::parse("sale order; --").is_err());
        assert!(AppType::parse("Sales").is_err());
        assert!(MethodName::parse("action_confirm").is_ok());
        for bad in ["", "_write", "1st", "a.b", "a/b", "é", &"x".repeat(129)] {
            assert_eq!(MethodName::parse(bad).unwrap_err().field, "method", "{bad:?}");
        }
    }

    #[test]
    fn a_bad_id_in_json_is_an_error_with_the_rule() {
        let error = serde_json::from_str::<DeviceId>("\"a\"").unwrap_err().to_string();
        assert!(error.contains("device_id must be 3 to 128"), "{error}");
    }
}
