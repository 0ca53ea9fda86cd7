//! Transport: decode, call one function, encode. Nothing in the service imports this.

mod entrance;
pub mod error;
mod explain;
pub mod extract;
mod learned;
mod limited;
mod linger;
mod openapi;
pub mod peer;
mod rest;
mod time_out;
mod transfer;
mod ws;

use crate::context::Context;
use axum::{Extension, Router};
use entrance::Entrance;

/// Every path of the service.
pub fn router(cx: &Context) -> Router {
    let (rest, _) = rest::routes().split_for_parts();
    let (pages, _) = rest::description_routes().split_for_parts();
    let rest = rest.merge(pages.layer(Extension(rest::Pages::new())));
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
