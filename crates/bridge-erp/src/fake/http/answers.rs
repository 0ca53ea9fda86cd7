//! Answers, in the forms that Odoo's server gives them.

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use std::io;

const JSON: &str = "application/json; charset=utf-8";
const HTML: &str = "text/html; charset=utf-8";

/// A JSON body with status 200.
pub(super) fn json_answer(value: &Value) -> Response {
    ([(header::CONTENT_TYPE, JSON)], value.to_string()).into_response()
}

/// A plain text, which Odoo labels as HTML.
pub(super) fn text(status: StatusCode, text: &'static str) -> Response {
    (status, [(header::CONTENT_TYPE, HTML)], text).into_response()
}

/// A page for people.
pub(super) fn page(status: StatusCode, title: &str) -> Response {
    let body =
        format!("<!doctype html>\n<html lang=en>\n<title>{} {title}</title>\n<h1>{title}</h1>\n", status.as_u16());
    (status, [(header::CONTENT_TYPE, HTML)], body).into_response()
}

/// The answer to a request that is not JSON.
pub(super) fn wrong_type(path: &str, kind: &str) -> Response {
    let body = format!(
        "<!doctype html>\n<html lang=en>\n<title>415 Unsupported Media Type</title>\n<h1>Unsupported Media Type</h1>\n\
         <p>Request inferred type is compatible with [&#39;http&#39;] but &#39;{}&#39; is type=&#39;{kind}&#39;.<br><br>\
         Please verify the Content-Type request header and try again.</p>\n",
        path.replace(['<', '>', '&'], "")
    );
    let headers = [(header::CONTENT_TYPE, HTML), (header::ACCEPT, "application/json, application/json-rpc")];
    (StatusCode::UNSUPPORTED_MEDIA_TYPE, headers, body).into_response()
}

/// An answer before it is put on the wire.
#[derive(Debug)]
pub(super) struct Reply {
    pub(super) status: StatusCode,
    pub(super) content_type: &'static str,
    pub(super) body: String,
    pub(super) cookie: Option<String>,
}

impl Reply {
    /// A JSON body.
    pub(super) fn json(status: StatusCode, value: &Value) -> Self {
        Self { status, content_type: JSON, body: value.to_string(), cookie: None }
    }

    /// An XML-RPC document.
    pub(super) fn xml(body: String) -> Self {
        Self { status: StatusCode::OK, content_type: "text/xml; charset=utf-8", body, cookie: None }
    }

    /// An answer that promises its whole length and breaks off in the middle.
    pub(super) fn cut(self) -> Response {
        let body = self.body.into_bytes();
        let whole = body.len();
        let half = Bytes::from(body).slice(..whole / 2);
        let parts = futures_util::stream::unfold(Some(half), async |half| match half {
            Some(half) if !half.is_empty() => Some((Ok(half), Some(Bytes::new()))),
            Some(_) => {
                // Without this pause the server would drop what it has not yet sent, the headers included.
                tokio::task::yield_now().await;
                Some((Err(io::Error::from(io::ErrorKind::ConnectionReset)), None))
            }
            None => None,
        });
        let headers =
            [(header::CONTENT_TYPE, self.content_type.to_owned()), (header::CONTENT_LENGTH, whole.to_string())];
        (self.status, headers, Body::from_stream(parts)).into_response()
    }
}

impl IntoResponse for Reply {
    fn into_response(self) -> Response {
        let mut response = (self.status, [(header::CONTENT_TYPE, self.content_type)], self.body).into_response();
        if let Some(cookie) = self.cookie.and_then(|cookie| cookie.parse().ok()) {
            response.headers_mut().insert(header::SET_COOKIE, cookie);
        }
        response
    }
}
