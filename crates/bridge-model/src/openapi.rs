//! The words of the domain as the description of the API has them. The patterns are the rules of [`crate::ids`].

use crate::{
    AddressBlock, AppType, DeviceId, Event, MethodName, ModelClass, ModelName, Origin, Position, Priority, RecordId,
    SourceId, Strategy, SystemId, SystemKey, TenantId, Timestamp, UserId,
};
use std::borrow::Cow;
use utoipa::openapi::schema::{KnownFormat, ObjectBuilder, OneOfBuilder, SchemaFormat, Type};
use utoipa::openapi::{RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};

macro_rules! schemas {
    ($($type:ident = $schema:expr;)+) => {
        $(impl PartialSchema for $type {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $type {
            fn name() -> Cow<'static, str> {
                stringify!($type).into()
            }
        })+
    };
}

schemas! {
    SystemId = text("The name of a registered system within its tenant.", "odoo_main")
        .pattern(Some("^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"));
    DeviceId = text("A device as its app names it.", "iphone-abc123").pattern(Some("^[A-Za-z0-9_.:@-]{3,128}$"));
    AppType = text("The kind of app; the service's settings map each to its models.", "sales_app")
        .pattern(Some("^[a-z0-9_]{1,64}$"));
    ModelName = text("The name of an ERP's model.", "sale.order").pattern(Some("^[A-Za-z0-9_.-]{1,128}$"));
    MethodName = text("The name of a public method.", "action_confirm")
        .pattern(Some("^[A-Za-z][A-Za-z0-9_]{0,127}$"));
    AddressBlock = text(
        "An address, or a block of addresses: IPv4 or IPv6, with how many of the first bits they share.",
        "203.0.113.0/24",
    )
    .max_length(Some(49));
    SourceId = text("The ERP's own id of an event.", "501");
    TenantId = number("A tenant.", 1);
    UserId = number("A user of BridgeCore; not the user's id in the ERP.", 1);
    SystemKey = number("BridgeCore's number of a system.", 1);
    Position = number("A place in the tenant's log, given in the order of commits; 0 is before everything.", 525)
        .minimum(Some(0));
    Timestamp = text("A moment, as RFC 3339 in UTC.", "2025-11-16T10:30:00Z")
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
    Event = words(
        "What happened to a record. `reset`: everything of the model may have changed, and there is no record.",
        [Event::Create, Event::Write, Event::Unlink, Event::Manual, Event::Reset].map(Event::as_str),
    );
    Priority = words(
        "How urgent a change is.",
        [Priority::Low, Priority::Medium, Priority::High].map(Priority::as_str),
    );
    Origin = words(
        "How a change reached BridgeCore: the ERP called (`push`), its event table was read (`pull`), or one of the \
         other ways.",
        [Origin::Push, Origin::Pull, Origin::Capture, Origin::Wal, Origin::Poll, Origin::Local].map(Origin::as_str),
    );
    Strategy = words("A way in which changes are detected.", Strategy::ALL.map(Strategy::as_str));
    ModelClass = words(
        "How much a model matters. Transient ones are never tracked.",
        [ModelClass::Critical, ModelClass::Important, ModelClass::Standard, ModelClass::Transient]
            .map(ModelClass::as_str),
    );
    RecordId = OneOfBuilder::new()
        .item(ObjectBuilder::new().schema_type(Type::Integer).format(Some(INT64)))
        .item(ObjectBuilder::new().schema_type(Type::String))
        .description(Some("A record's key in its ERP: a number in Odoo, text in systems whose keys are text."))
        .examples([456]);
}

const INT64: SchemaFormat = SchemaFormat::KnownFormat(KnownFormat::Int64);

fn text(description: &str, example: &str) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).examples([example])
}

fn number(description: &str, example: i64) -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(INT64))
        .description(Some(description))
        .examples([example])
}

fn words<const COUNT: usize>(description: &str, words: [&'static str; COUNT]) -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String).description(Some(description)).enum_values(Some(words))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use proptest::string::string_regex;
    use proptest::test_runner::{Config, TestRunner};
    use serde::de::DeserializeOwned;

    /// The examples are what they are examples of, and so is whatever the pattern lets through.
    fn check<T: PartialSchema + DeserializeOwned>() {
        let schema = serde_json::to_value(T::schema()).unwrap();
        for example in schema["examples"].as_array().unwrap() {
            serde_json::from_value::<T>(example.clone()).unwrap_or_else(|error| panic!("{example}: {error}"));
        }
        if let Some(pattern) = schema["pattern"].as_str() {
            let text = string_regex(pattern.trim_start_matches('^').trim_end_matches('$')).unwrap();
            let read = |text: String| {
                prop_assert!(serde_json::from_value::<T>(text.clone().into()).is_ok(), "{}", text);
                Ok(())
            };
            TestRunner::new(Config::with_cases(500)).run(&text, read).unwrap();
        }
    }

    #[test]
    fn what_the_schemas_let_through_is_understood() {
        check::<SystemId>();
        check::<DeviceId>();
        check::<AppType>();
        check::<ModelName>();
        check::<MethodName>();
        check::<Position>();
        check::<Timestamp>();
        check::<RecordId>();
        check::<AddressBlock>();
    }
}
