//! Alerts by webhook, signed as Standard Webhooks 1.0 has it.

use super::message::Outgoing;
use super::targets::SendError;
use crate::config::{WebhookTarget, signing_key};
use anyhow::Context as _;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, Mac as _};
use reqwest::redirect;
use sha2::Sha256;
use std::fmt;
use url::Url;

/// An address that alerts are posted to.
pub(super) struct Webhook {
    http: reqwest::Client,
    url: Url,
    key: Option<Vec<u8>>,
}

impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Webhook").finish_non_exhaustive()
    }
}

impl Webhook {
    /// Sends nothing yet; the error is a setting that can't be right.
    pub(super) fn new(config: &WebhookTarget) -> anyhow::Result<Self> {
        let url = Url::parse(&config.url).context("read its url")?;
        let tls = bridge_erp::tls_config(url.scheme() == "https").context("read the machine's certificates")?;
        let http = reqwest::Client::builder()
            .tls_backend_preconfigured(tls)
            // Neither a proxy of the environment nor another host is meant to see what is in an alert.
            .no_proxy()
            .redirect(redirect::Policy::none())
            .user_agent(concat!("bridgecore/", env!("CARGO_PKG_VERSION")))
            .build()
            .context("make the HTTP client")?;
        Ok(Self { http, url, key: signing_key(&config.secret) })
    }

    /// Posts a message. Any 2xx says that it has arrived.
    pub(super) async fn send(&self, message: &Outgoing) -> Result<(), SendError> {
        let body = message.json.to_string();
        let seconds = message.at.as_micros() / 1_000_000;
        let mut request = self
            .http
            .post(self.url.clone())
            .header("content-type", "application/json")
            .header("webhook-id", &message.id)
            .header("webhook-timestamp", seconds);
        if let Some(key) = &self.key {
            request = request.header("webhook-signature", signature(key, &message.id, seconds, &body));
        }
        let response = request.body(body).send().await.map_err(|error| SendError::Http(error.without_url()))?;
        if response.status().is_success() { Ok(()) } else { Err(SendError::Status(response.status().as_u16())) }
    }
}

fn signature(key: &[u8], id: &str, seconds: i64, body: &str) -> String {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return String::new() };
    mac.update(format!("{id}.{seconds}.{body}").as_bytes());
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_signs_as_the_published_example_does() {
        let key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = signature(&key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, r#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
