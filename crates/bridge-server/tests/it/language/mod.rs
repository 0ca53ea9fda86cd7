//! In which language people are answered.

mod answers;
mod choice;
mod live;

use crate::support::{Answer, Client};
use reqwest::{Method, RequestBuilder};
use serde_json::Value;

/// A request that asks for this language.
fn asking(client: &Client, method: Method, path: &str, accept: &str) -> RequestBuilder {
    client.request(method, path).header("accept-language", accept)
}

/// Gets a path in this language.
async fn get_in(client: &Client, path: &str, accept: &str) -> Answer {
    client.send(asking(client, Method::GET, path, accept)).await
}

/// Posts in this language.
async fn post_in(client: &Client, path: &str, accept: &str, body: &Value) -> Answer {
    client.send(asking(client, Method::POST, path, accept).json(body)).await
}

/// Checks a problem's language and message; the rest is the same in every language.
#[track_caller]
fn expect_said(answer: Answer, status: u16, code: &str, language: &str, message: &str) -> Value {
    assert_eq!(answer.headers["content-language"], language);
    assert_eq!(answer.headers["content-type"], "application/json");
    let problem = answer.expect_problem(status, code);
    assert_eq!(problem["message"], message);
    problem
}
