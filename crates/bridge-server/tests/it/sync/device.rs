//! A device that pulls.

use crate::support::{Answer, Client};
use serde_json::{Value, json};

/// The path of the pull.
pub(crate) const PULL: &str = "/api/v2/sync/pull";

/// A device of a user with an app on it.
#[derive(Clone)]
pub(crate) struct Device {
    pub(crate) client: Client,
    pub(crate) name: String,
    /// What every pull of it says.
    wish: Value,
}

impl Device {
    /// With the app that hears of every model.
    pub(crate) fn new(client: &Client, name: &str) -> Self {
        let wish = json!({ "device_id": name, "app_type": "mobile_app" });
        Self { client: client.clone(), name: name.to_owned(), wish }
    }

    /// The same with other wishes in each of its pulls.
    pub(crate) fn with(&self, wishes: &Value) -> Self {
        Self { wish: merged(&self.wish, wishes), ..self.clone() }
    }

    /// The same with a client that has another token.
    pub(crate) fn of(&self, client: &Client) -> Self {
        Self { client: client.clone(), ..self.clone() }
    }

    /// One pull, with what it says besides.
    pub(crate) async fn try_pull(&self, besides: Value) -> Answer {
        self.client.post(PULL, &merged(&self.wish, &besides)).await
    }

    pub(crate) async fn pull(&self, besides: Value) -> Value {
        self.try_pull(besides).await.expect(200)
    }

    /// Confirms `token` and asks for what comes after it.
    pub(crate) async fn pull_after(&self, token: &str) -> Value {
        self.pull(json!({ "last_sync_token": token })).await
    }

    /// Pulls until there is no more, confirming each answer by the next pull, and answers all events.
    pub(crate) async fn pull_all_after(&self, token: &str) -> Vec<Value> {
        let (mut token, mut events) = (token.to_owned(), Vec::new());
        loop {
            let answer = self.pull_after(&token).await;
            events.extend(answer["events"].as_array().unwrap().iter().cloned());
            token = token_of(&answer);
            if answer["has_more"] == false {
                return events;
            }
        }
    }

    pub(crate) async fn ack(&self, token: &str) -> Answer {
        self.client.post("/api/v2/sync/ack", &merged(&self.wish, &json!({ "last_sync_token": token }))).await
    }
}

fn merged(one: &Value, other: &Value) -> Value {
    let mut all = one.as_object().unwrap().clone();
    all.extend(other.as_object().unwrap().clone());
    Value::Object(all)
}

/// An answer's `next_sync_token`.
pub(crate) fn token_of(answer: &Value) -> String {
    answer["next_sync_token"].as_str().unwrap().to_owned()
}

/// The positions of an answer's events.
pub(crate) fn positions(answer: &Value) -> Vec<i64> {
    answer["events"].as_array().unwrap().iter().map(|event| event["id"].as_i64().unwrap()).collect()
}

/// The records of an answer's events.
pub(crate) fn records(answer: &Value) -> Vec<i64> {
    answer["events"].as_array().unwrap().iter().map(|event| event["record_id"].as_i64().unwrap()).collect()
}

/// No positions.
pub(crate) const EMPTY: [i64; 0] = [];
