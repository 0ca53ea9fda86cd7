//! What the running service tells of itself, over its own front door.

use anyhow::{Context as _, bail};
use bridge_model::{Strategy, SystemId, TenantId};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::body::Bytes;
use hyper::header::{AUTHORIZATION, HOST};
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

/// What answers where the service listens.
pub(super) enum Answer {
    /// The service, which works.
    Healthy {
        /// Its version.
        version: String,
    },
    /// The service, which can't work.
    NotReady {
        /// The status of its answer.
        status: u16,
    },
    /// Something else.
    Other,
}

/// The values that the service measures: by name, each with its labels.
#[derive(Debug, Default)]
pub(super) struct TellTale(Vec<Sample>);

#[derive(Debug)]
struct Sample {
    name: String,
    labels: BTreeMap<String, String>,
    value: f64,
}

/// The largest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 16 << 20;

/// The longest that the service is waited for: it is on this machine or beside it.
const WAIT_MAX: Duration = Duration::from_secs(10);

/// Asks the service whether it works.
pub(super) async fn health(address: SocketAddr, patience: Duration) -> anyhow::Result<Answer> {
    let (status, body) = get(address, "/health", "", patience).await?;
    let told: Value = serde_json::from_slice(&body).unwrap_or_default();
    Ok(match (status, told["version"].as_str()) {
        (StatusCode::OK, Some(version)) if told["database"].is_string() => {
            Answer::Healthy { version: version.to_owned() }
        }
        // Every problem of ours has this.
        _ if told["code"].is_string() && told["error"].is_string() => Answer::NotReady { status: status.as_u16() },
        _ => Answer::Other,
    })
}

/// Asks the service for what it measures.
pub(super) async fn metrics(address: SocketAddr, token: &str, patience: Duration) -> anyhow::Result<TellTale> {
    let (status, body) = get(address, "/metrics", token, patience).await?;
    if status != StatusCode::OK {
        bail!("the status is {}", status.as_u16());
    }
    Ok(TellTale::parse(&String::from_utf8_lossy(&body)))
}

async fn get(address: SocketAddr, path: &str, token: &str, patience: Duration) -> anyhow::Result<(StatusCode, Bytes)> {
    let exchange = async {
        let stream = TcpStream::connect(address).await.context("connect")?;
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.context("connect")?;
        let _carrier = AbortOnDropHandle::new(tokio::spawn(connection));
        let mut request = Request::get(path).header(HOST, address.to_string());
        if !token.is_empty() {
            request = request.header(AUTHORIZATION, format!("Bearer {token}"));
        }
        let request = request.body(Empty::<Bytes>::new()).context("write the request")?;
        let answer = sender.send_request(request).await.context("ask")?;
        let status = answer.status();
        let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
        let body = body.map_err(|error| anyhow::anyhow!(error)).context("read the answer")?;
        Ok((status, body.to_bytes()))
    };
    let patience = patience.min(WAIT_MAX);
    tokio::time::timeout(patience, exchange).await.unwrap_or_else(|_| bail!("no answer in time"))
}

impl TellTale {
    /// Reads Prometheus' text format, as far as the service writes it.
    fn parse(text: &str) -> Self {
        Self(text.lines().filter(|line| !line.starts_with('#')).filter_map(sample).collect())
    }

    /// The sum over all labels.
    pub(super) fn sum(&self, name: &str) -> f64 {
        self.0.iter().filter(|sample| sample.name == name).map(|sample| sample.value).sum()
    }

    /// The value of a system; of those beyond the first few hundred the service tells none of their own.
    pub(super) fn of_system(&self, name: &str, tenant: TenantId, system: &SystemId) -> Option<f64> {
        self.find(name, tenant, system, None)
    }

    /// The value of a strategy of a system.
    pub(super) fn of_strategy(&self, name: &str, tenant: TenantId, system: &SystemId, of: Strategy) -> Option<f64> {
        self.find(name, tenant, system, Some(of))
    }

    fn find(&self, name: &str, tenant: TenantId, system: &SystemId, strategy: Option<Strategy>) -> Option<f64> {
        let tenant = tenant.0.to_string();
        let is = |sample: &Sample, label: &str, value: &str| sample.labels.get(label).is_some_and(|it| it == value);
        let found = self.0.iter().find(|sample| {
            sample.name == name
                && is(sample, "tenant", &tenant)
                && is(sample, "system", system.as_str())
                && strategy.is_none_or(|strategy| is(sample, "strategy", strategy.as_str()))
        });
        found.map(|sample| sample.value)
    }
}

/// `name{label="value",…} 1.5`. The names of systems and strategies hold nothing that would be written in another way.
fn sample(line: &str) -> Option<Sample> {
    let (head, value) = line.rsplit_once(' ')?;
    let (name, labels) = head.split_once('{').unwrap_or((head, "}"));
    let labels = labels.strip_suffix('}')?.split(',').filter_map(|label| {
        let (name, value) = label.split_once('=')?;
        Some((name.to_owned(), value.trim_matches('"').to_owned()))
    });
    Some(Sample { name: name.to_owned(), labels: labels.collect(), value: value.parse().ok()? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_service_measures_is_found_by_its_labels() {
        let told = TellTale::parse(
            "# HELP panics_total Panics\n# TYPE panics_total counter\npanics_total{task=\"job\"} 2\n\
             panics_total{task=\"request\"} 1\nsource_lag_seconds{strategy=\"poll\",system=\"main\",tenant=\"1\"} 2.5\n\
             poll_behind_seconds{system=\"main\",tenant=\"1\"} 7\nplain 4\n",
        );
        let main = SystemId::parse("main").unwrap();
        assert!((told.sum("panics_total") - 3.0).abs() < f64::EPSILON);
        assert!((told.sum("plain") - 4.0).abs() < f64::EPSILON);
        let lag = |strategy| told.of_strategy("source_lag_seconds", TenantId(1), &main, strategy);
        assert_eq!((lag(Strategy::Poll), lag(Strategy::Addon)), (Some(2.5), None));
        assert_eq!(told.of_system("poll_behind_seconds", TenantId(1), &main), Some(7.0));
        assert_eq!(told.of_system("poll_behind_seconds", TenantId(2), &main), None);
    }
}
