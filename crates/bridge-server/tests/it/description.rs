//! `/openapi.json`, and the page that shows it.

use crate::support::{Client, Setup};
use flate2::read::GzDecoder;
use reqwest::Method;
use reqwest::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, ETAG, IF_NONE_MATCH, X_CONTENT_TYPE_OPTIONS};
use serde_json::Value;
use std::io::Read as _;

#[tokio::test]
async fn the_description_is_that_of_docs_and_needs_no_login() {
    let app = Setup::sqlite().start().await;
    let client = app.anonymous();
    let answer = client.get("/openapi.json").await;
    let tag = answer.headers[ETAG].clone();
    assert_eq!(answer.headers[CACHE_CONTROL], "public, max-age=300");
    let kept = include_str!("../../../../docs/openapi.json");
    assert_eq!(answer.expect(200), serde_json::from_str::<Value>(kept).unwrap());

    let known = client.request(Method::GET, "/openapi.json").header(IF_NONE_MATCH, tag.clone());
    let known = client.send(known).await;
    assert_eq!((known.status, &known.headers[ETAG]), (304, &tag));
    let other = client.request(Method::GET, "/openapi.json").header(IF_NONE_MATCH, "\"another\"");
    assert_eq!(client.send(other).await.status, 200);
    app.stop().await;
}

#[tokio::test]
async fn the_page_and_all_that_it_loads_come_from_here() {
    let app = Setup::sqlite().start().await;
    let client = app.anonymous();
    // The client follows to `/docs/`.
    let page = file(&client, "/docs").await;
    let mut names = Vec::new();
    for attribute in ["src=\"", "href=\""] {
        names.extend(page.split(attribute).skip(1).map(|rest| rest.split('"').next().unwrap()));
    }
    assert!(names.len() >= 5, "{page}");
    for name in names {
        assert!(!name.contains("//") && !name.starts_with('/'), "{name}");
        let text = file(&client, &format!("/docs/{name}")).await;
        if name.ends_with("swagger-initializer.js") {
            assert!(text.contains("\"url\": \"../openapi.json\""), "{text}");
            assert!(!text.contains("://"), "{text}");
        }
    }
    client.get("/docs/no-such-file.js").await.expect_problem(404, "NOT_FOUND");
    client.get("/docs/..%2f..%2fetc%2fpasswd").await.expect_problem(404, "NOT_FOUND");
    app.stop().await;
}

/// A file of the page, which may load and ask for nothing that is elsewhere.
async fn file(client: &Client, path: &str) -> String {
    let response = client.request(Method::GET, path).send().await.unwrap();
    assert_eq!(response.status(), 200, "{path}");
    let headers = response.headers().clone();
    assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
    let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
    assert!(policy.starts_with("default-src 'none'") && !policy.contains("//"), "{policy}");
    let bytes = response.bytes().await.unwrap();
    let mut plain = Vec::new();
    if headers.get("content-encoding").is_some_and(|encoding| encoding == "gzip") {
        GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
    } else {
        plain.extend(&bytes);
    }
    String::from_utf8_lossy(&plain).into_owned()
}
