//! Which requests are limited, and how their answers say so.

use crate::limits::{Allowance, Class};
use axum::http::{HeaderMap, HeaderName, HeaderValue};

/// How a request is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Counted {
    /// Not at all.
    Not,
    /// As one of this class, as soon as it is known whose it is.
    Of(Class),
    /// By its handler, once it knows what or whose it is.
    ByHandler,
}

/// How requests for a route are counted. Whatever is not named goes by its method, so that no new route is forgotten.
pub(super) fn counted(method: &str, pattern: &str) -> Counted {
    use Counted::{ByHandler, Not, Of};
    match pattern {
        // The action is in the body, and the name of a log-in; a refresh token and a push key tell whose they are.
        "/api/v1/systems/{system_id}/crud"
        | "/api/v1/systems/{system_id}/entities/{entity}/crud"
        | "/api/v1/auth/login"
        | "/api/v1/auth/refresh"
        | "/api/v1/webhooks/receive" => ByHandler,
        // Nobody is kept from going, and whoever asks whether the service works is nobody in particular.
        "/api/v1/auth/logout" | "/api/v1/webhooks/health" | "/api/v2/sync/health" => Not,
        "/api/v2/sync/pull" => Of(Class::SyncPull),
        "/api/v2/sync/ack" | "/api/v2/sync/state" => Of(Class::SyncState),
        "/api/v2/sync/reset" => Of(Class::SyncReset),
        "/api/v1/webhooks/events" | "/api/v1/webhooks/check-updates" => Of(Class::WebhookEvents),
        "/api/v1/batch/execute" | "/api/v1/systems/{system_id}/migrate" | "/api/v1/webhooks/retry/bulk" => {
            Of(Class::Batch)
        }
        // These come with a body and only read.
        "/api/v2/sync/snapshot" | "/api/v1/systems/{system_id}/migrate/plan" | "/api/v1/mappings/{entity}/apply" => {
            Of(Class::Reads)
        }
        // A credential is tried. Odoo counts refusals and locks our own address out: whoever guesses is slowed down here.
        "/api/v1/users/{user_id}/links" if method == "POST" => Of(Class::Authentication),
        _ if pattern.starts_with("/api/v1/files/") => Of(Class::Files),
        _ if !pattern.starts_with("/api/") => Not,
        _ => Of(match method {
            "GET" => Class::Reads,
            "DELETE" => Class::Deletes,
            _ => Class::Writes,
        }),
    }
}

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");

/// Says in an answer's headers what is left.
pub(super) fn tell(headers: &mut HeaderMap, allowance: Allowance) {
    headers.insert(LIMIT, HeaderValue::from(allowance.limit));
    headers.insert(REMAINING, HeaderValue::from(allowance.remaining));
    headers.insert(RESET, HeaderValue::from(allowance.reset_s));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::openapi::described;
    use serde_json::Value;
    use std::collections::BTreeSet;

    /// The classes of the operations that there are, with how many are of each.
    fn classes() -> Vec<(String, Counted)> {
        let description = described().1;
        let mut all = Vec::new();
        for (pattern, item) in description["paths"].as_object().unwrap() {
            for (method, operation) in item.as_object().unwrap() {
                let method = method.to_uppercase();
                let counted = counted(&method, pattern);
                // The description has other words for who asks: no token is needed, or another one.
                let has_caller = operation.get("security").is_none();
                let at = format!("{method} {pattern}");
                assert!(has_caller || matches!(counted, Counted::Not | Counted::ByHandler), "{at} has no caller");
                let declares = operation["responses"].get("429").is_some_and(Value::is_object);
                assert_eq!(counted != Counted::Not, declares, "{at}");
                all.push((at, counted));
            }
        }
        all
    }

    #[test]
    fn every_request_with_a_caller_is_counted_but_one() {
        let all = classes();
        let free: BTreeSet<_> = all.iter().filter(|(_, counted)| *counted == Counted::Not).map(|(at, _)| at).collect();
        let free: Vec<_> = free.into_iter().filter(|at| at.contains("/api/")).collect();
        assert_eq!(free, ["GET /api/v1/webhooks/health", "GET /api/v2/sync/health", "POST /api/v1/auth/logout"]);
        assert!(all.len() > 50, "{}", all.len());
    }

    #[test]
    fn what_is_named_is_there() {
        let all = classes();
        let of = |class: Class| {
            let mut of: Vec<_> = all.iter().filter(|(_, counted)| *counted == Counted::Of(class)).collect();
            of.sort_unstable_by_key(|(at, _)| at.clone());
            of.into_iter().map(|(at, _)| at.as_str()).collect::<Vec<_>>()
        };
        assert_eq!(of(Class::Authentication), ["POST /api/v1/users/{user_id}/links"]);
        assert_eq!(of(Class::SyncPull), ["POST /api/v2/sync/pull"]);
        assert_eq!(of(Class::SyncState), ["GET /api/v2/sync/state", "POST /api/v2/sync/ack"]);
        assert_eq!(of(Class::SyncReset), ["POST /api/v2/sync/reset"]);
        assert_eq!(of(Class::WebhookEvents), ["GET /api/v1/webhooks/check-updates", "GET /api/v1/webhooks/events"]);
        assert_eq!(
            of(Class::Batch),
            [
                "POST /api/v1/batch/execute",
                "POST /api/v1/systems/{system_id}/migrate",
                "POST /api/v1/webhooks/retry/bulk"
            ]
        );
        let files =
            ["DELETE /api/v1/files/{file_id}", "GET /api/v1/files/download/{file_id}", "POST /api/v1/files/upload"];
        assert_eq!(of(Class::Files), files);
        let reads = of(Class::Reads);
        for at in [
            "GET /api/v1/auth/me",
            "POST /api/v2/sync/snapshot",
            "POST /api/v1/systems/{system_id}/migrate/plan",
            "POST /api/v1/mappings/{entity}/apply",
        ] {
            assert!(reads.contains(&at), "{at}: {reads:?}");
        }
        assert!(reads.iter().filter(|at| at.starts_with("POST")).count() == 3, "{reads:?}");
        assert!(of(Class::Deletes).iter().all(|at| at.starts_with("DELETE")));
        assert!(of(Class::Writes).iter().all(|at| at.starts_with("POST") || at.starts_with("PUT")));
        let by_handler: Vec<_> = all.iter().filter(|(_, counted)| *counted == Counted::ByHandler).collect();
        assert_eq!(by_handler.len(), 5, "{by_handler:?}");
    }
}
