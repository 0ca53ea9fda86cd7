//! How problems are described: one schema, and for each operation the codes that it can answer.

use crate::api::limited::{Counted, counted};
use crate::context::Context;
use crate::problem::{Problem, ProblemKind};
use serde_json::{Value, json};
use std::borrow::Cow;
use std::collections::BTreeMap;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::path::{Operation, PathItem};
use utoipa::openapi::schema::{AdditionalProperties, AllOfBuilder, ObjectBuilder, Type};
use utoipa::openapi::{Content, ContentBuilder, Ref, RefOr, Response, ResponseBuilder, Schema};
use utoipa::{PartialSchema, ToSchema};
use utoipa_axum::router::UtoipaMethodRouter;

/// What a missing or wrong access token leads to.
pub(in crate::api) const TOKEN: &[ProblemKind] = &[ProblemKind::Unauthenticated];

/// The same where only admins are let in.
pub(in crate::api) const ADMIN: &[ProblemKind] = &[ProblemKind::Unauthenticated, ProblemKind::Forbidden];

/// What a query or a path can be refused for.
pub(in crate::api) const QUERY: &[ProblemKind] = &[ProblemKind::Invalid];

/// What a JSON body can be refused for.
pub(in crate::api) const BODY: &[ProblemKind] = &[
    ProblemKind::MalformedJson,
    ProblemKind::Invalid,
    ProblemKind::RequestTimeout,
    ProblemKind::PayloadTooLarge,
    ProblemKind::UnsupportedMediaType,
];

/// What can go wrong where an ERP is asked what its user may see.
pub(in crate::api) const ERP: &[ProblemKind] = &[
    ProblemKind::ErpUserNotLinked,
    ProblemKind::ErpUnreachable,
    ProblemKind::ErpAddressRefused,
    ProblemKind::ErpAuthentication,
    ProblemKind::ErpFailed,
    ProblemKind::CircuitOpen,
    ProblemKind::ErpTimeout,
];

/// What can happen to any request.
const ALWAYS: &[ProblemKind] = &[ProblemKind::Internal, ProblemKind::Busy];

/// Says what the operations of a route can be refused with.
pub(in crate::api) trait Refuses {
    /// The same route, its operations described with these problems, with the limit that holds for them, and with those
    /// that any request can meet.
    fn refusing(self, problems: &[&[ProblemKind]]) -> Self;
}

impl Refuses for UtoipaMethodRouter<Context> {
    fn refusing(mut self, problems: &[&[ProblemKind]]) -> Self {
        for (pattern, item) in &mut self.1.paths {
            for (method, operation) in operations(item) {
                let limited: &[ProblemKind] = match counted(method, pattern) {
                    Counted::Not => &[],
                    Counted::Of(_) | Counted::ByHandler => &[ProblemKind::RateLimited],
                };
                let mut by_status: BTreeMap<u16, Vec<ProblemKind>> = BTreeMap::new();
                for kind in problems.iter().copied().chain([limited, ALWAYS]).flatten() {
                    let kinds = by_status.entry(kind.status()).or_default();
                    if !kinds.contains(kind) {
                        kinds.push(*kind);
                    }
                }
                for (status, kinds) in by_status {
                    operation.responses.responses.insert(status.to_string(), RefOr::T(response(&kinds)));
                }
            }
        }
        // Described even where an answer names it only inside.
        self.0.push((Problem::name().into_owned(), Problem::schema()));
        self
    }
}

fn operations(item: &mut PathItem) -> impl Iterator<Item = (&'static str, &mut Operation)> {
    let all = [("GET", &mut item.get), ("PUT", &mut item.put), ("POST", &mut item.post), ("DELETE", &mut item.delete)];
    all.into_iter().filter_map(|(method, operation)| Some((method, operation.as_mut()?)))
}

fn response(kinds: &[ProblemKind]) -> Response {
    let meanings: Vec<_> = kinds.iter().map(|kind| format!("`{}`: {}", kind.code(), kind.meaning())).collect();
    let codes = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(kinds.iter().map(|kind| kind.code())));
    let schema = AllOfBuilder::new()
        .item(Ref::from_schema_name(Problem::name()))
        .item(ObjectBuilder::new().property("code", codes));
    let content: Content = kinds
        .iter()
        .fold(ContentBuilder::new().schema(Some(Schema::from(schema))), |content, kind| {
            content.examples_from_iter([(kind.code(), ExampleBuilder::new().value(Some(example(*kind))).build())])
        })
        .build();
    ResponseBuilder::new().description(meanings.join("\n\n")).content("application/json", content).build()
}

fn example(kind: ProblemKind) -> Value {
    json!({ "error": kind.exception(), "message": kind.meaning().trim_end_matches('.'), "code": kind.code(), "details": {} })
}

impl PartialSchema for Problem {
    fn schema() -> RefOr<Schema> {
        let text = |description: &str| ObjectBuilder::new().schema_type(Type::String).description(Some(description));
        let mut exceptions: Vec<_> = ProblemKind::ALL.iter().map(|kind| kind.exception()).collect();
        exceptions.sort_unstable();
        exceptions.dedup();
        ObjectBuilder::new()
            .description(Some("The one shape of everything that goes wrong."))
            .property("error", text("The name of the exception.").enum_values(Some(exceptions)))
            .property("message", text("A sentence for people, in the caller's language where there is one."))
            .property(
                "code",
                text("What went wrong, for programs.")
                    .enum_values(Some(ProblemKind::ALL.iter().map(|kind| kind.code()))),
            )
            .property(
                "details",
                ObjectBuilder::new()
                    .schema_type(Type::Object)
                    .description(Some("Facts for programs: often `field`, the name of what is wrong."))
                    .additional_properties(Some(AdditionalProperties::FreeForm(true))),
            )
            .required("error")
            .required("message")
            .required("code")
            .required("details")
            .examples([example(ProblemKind::SyncStateNotFound)])
            .into()
    }
}

impl ToSchema for Problem {
    fn name() -> Cow<'static, str> {
        "Problem".into()
    }
}
