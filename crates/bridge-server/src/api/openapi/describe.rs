//! Makes the description.

use super::super::rest;
use super::finish;
use crate::context::Context;
use axum::Router;
use serde_json::Value;
use utoipa::openapi::security::{ApiKey, ApiKeyValue, Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::{Components, InfoBuilder, LicenseBuilder, OpenApi, OpenApiBuilder, SecurityRequirement, Tag};

/// The groups of operations, in the order in which they are shown.
const TAGS: &[(&str, &str)] = &[
    ("Accounts", "Log-in, and the users of a tenant."),
    ("Systems", "The business systems of a tenant."),
    ("Field mapping", "Records in words that are the same for every system and version."),
    ("Version migration", "Records carried from one version of Odoo to another."),
    ("Records", "Reading and writing the records of a system, and what of it is open."),
    ("Files", "Files on records, in and out."),
    ("Sync", "What a device does not have yet, and how far it has come. `v2`, per device, with tokens."),
    ("Live", include_str!("live.md")),
    ("Devices", "The devices of users. One is registered by its first pull."),
    ("Webhooks", "What ERPs send, and what can be asked about it afterwards."),
    ("Service", "Health, metrics and this description."),
];

/// The routes of the REST API, without files and metrics, and the description of all of them.
pub(in crate::api) fn described() -> (Router<Context>, Value) {
    let (rest, mut description) = rest::routes().split_for_parts();
    let (pages, of_pages) = rest::description_routes().split_for_parts();
    description.merge(of_pages);
    description.merge(rest::file_routes().into_openapi());
    description.merge(rest::metrics_routes().into_openapi());
    (rest.merge(pages), describe(description))
}

/// The whole description of the operations in `routes`.
fn describe(routes: OpenApi) -> Value {
    let info = InfoBuilder::new()
        .title("BridgeCore")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(include_str!("about.md").trim()))
        .license(Some(LicenseBuilder::new().name("MIT").identifier(Some("MIT")).build()));
    let mut frame = OpenApiBuilder::new()
        .info(info)
        .tags(Some(TAGS.iter().map(|(name, description)| {
            let mut tag = Tag::new(*name);
            tag.description = Some(description.trim().to_owned());
            tag
        })))
        .security(Some([SecurityRequirement::new::<_, [&str; 0], &str>("access_token", [])]))
        .components(Some(security_schemes()))
        .build();
    frame.merge(routes);
    let mut description = serde_json::to_value(&frame).unwrap();
    finish::finish(&mut description);
    description
}

fn security_schemes() -> Components {
    let bearer = |description: &str| {
        let mut scheme = Http::new(HttpAuthScheme::Bearer);
        scheme.description = Some(description.to_owned());
        SecurityScheme::Http(scheme)
    };
    let key = ApiKeyValue::with_description("X-API-Key", "The push key of a system, `bcpk_…`.");
    let mut components = Components::new();
    for (name, scheme) in [
        ("access_token", bearer("The `access_token` of a log-in or a refresh.")),
        ("refresh_token", bearer("The `refresh_token` of a log-in.")),
        ("push_key", SecurityScheme::ApiKey(ApiKey::Header(key))),
        ("push_key_as_bearer", bearer("The push key of a system, `bcpk_…`.")),
        ("metrics_token", bearer("The setting `server.metrics_token`, where there is one.")),
    ] {
        components.add_security_scheme(name, scheme);
    }
    components
}
