//! Transport: decode, call one function, encode. Nothing in the service imports this.

mod entrance;
pub mod error;
mod explain;
pub mod extract;
mod learned;
mod limited;
mod linger;
mod openapi;
mod rest;
mod time_out;
mod transfer;
mod ws;

use crate::context::Context;
use axum::{Extension, Router};
use entrance::Entrance;

/// Every path of the service.
pub fn router(cx: &Context) -> Router {
    let (rest, _) = described();
    let rest = rest.method_not_allowed_fallback(error::no_such_method).layer(Entrance::bounded(cx));
    let (files, _) = rest::file_routes().split_for_parts();
    let files = files.method_not_allowed_fallback(error::no_such_method).layer(Entrance::for_files(cx));
    let (metrics, _) = rest::metrics_routes().split_for_parts();
    let others = metrics
        .merge(ws::routes(cx))
        .fallback(error::no_such_path)
        .method_not_allowed_fallback(error::no_such_method)
        .layer(Entrance::new(cx));
    rest.merge(files).merge(others).with_state(cx.clone())
}

/// The routes of the REST API, without files and metrics, and the description of all of them.
fn described() -> (Router<Context>, serde_json::Value) {
    let (rest, mut description) = rest::routes().split_for_parts();
    let (pages, of_pages) = rest::description_routes().split_for_parts();
    description.merge(of_pages);
    description.merge(rest::file_routes().into_openapi());
    description.merge(rest::metrics_routes().into_openapi());
    let description = openapi::describe(description);
    let pages = pages.layer(Extension(rest::Pages::new(&description)));
    (rest.merge(pages), description)
}
