//! Redis, which the service can do without at any moment.

use anyhow::Context as _;
use prometheus::IntGauge;
use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, Client, FromRedisValue, Pipeline, RedisError};
use std::error::Error;
use std::fmt;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;
use tokio::time::Instant;

/// How long Redis is left alone after it failed, so that not everybody waits for it in turn.
const LEFT_ALONE: Duration = Duration::from_secs(1);

/// One connection to Redis for all, made when it is first needed and made anew after a failure.
pub struct Redis {
    client: Client,
    /// What it is used for, in the log.
    purpose: &'static str,
    patience: Duration,
    link: Mutex<Link>,
    /// Held by whoever connects; the others do without meanwhile.
    connecting: tokio::sync::Mutex<()>,
    /// 1 while it answers, 0 while it does not.
    up: IntGauge,
}

#[derive(Default)]
struct Link {
    connection: Option<MultiplexedConnection>,
    /// When it failed, if it did the last time.
    failed_at: Option<Instant>,
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        // The address holds a password.
        f.debug_struct("Redis").field("patience", &self.patience).finish_non_exhaustive()
    }
}

/// Asks the Redis at this address whether it is there; the error says why it is not.
pub async fn reach(url: &str, patience: Duration) -> anyhow::Result<()> {
    let connection = async {
        let mut connection = Client::open(url)?.get_multiplexed_async_connection().await?;
        redis::cmd("PING").query_async::<()>(&mut connection).await
    };
    tokio::time::timeout(patience, connection).await.context("in time")?.context("ask it")
}

impl Redis {
    /// Connects to nothing yet; the error is an address that can't be one. Whoever asks waits for at most `patience`.
    pub fn new(url: &str, patience: Duration, purpose: &'static str, up: IntGauge) -> Result<Self, RedisError> {
        let (link, connecting) = (Mutex::default(), tokio::sync::Mutex::default());
        Ok(Self { client: Client::open(url)?, purpose, patience, link, connecting, up })
    }

    /// What Redis answers to these commands; `None` if it is away or takes too long, which is said once in the log.
    pub async fn ask<T: FromRedisValue>(&self, commands: &Pipeline) -> Option<T> {
        if self.link().failed_at.is_some_and(|failed_at| failed_at.elapsed() < LEFT_ALONE) {
            return None;
        }
        match tokio::time::timeout(self.patience, self.exchange(commands)).await {
            Ok(Ok(Some(answer))) => {
                if self.link().failed_at.take().is_some() {
                    tracing::info!(purpose = self.purpose, "Redis answers again");
                }
                self.up.set(1);
                Some(answer)
            }
            Ok(Ok(None)) => None,
            Ok(Err(error)) => self.failed(&error),
            Err(late) => self.failed(&late),
        }
    }

    /// Whether it answers now.
    pub async fn answers(&self) -> bool {
        self.ask::<(String,)>(redis::pipe().cmd("PING")).await.is_some()
    }

    /// `None` while somebody else is connecting.
    async fn exchange<T: FromRedisValue>(&self, commands: &Pipeline) -> Result<Option<T>, RedisError> {
        let Some(mut connection) = self.connection().await? else { return Ok(None) };
        commands.query_async(&mut connection).await.map(Some)
    }

    async fn connection(&self) -> Result<Option<MultiplexedConnection>, RedisError> {
        if let Some(connection) = &self.link().connection {
            return Ok(Some(connection.clone()));
        }
        let Ok(_turn) = self.connecting.try_lock() else { return Ok(None) };
        let bounds = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(self.patience))
            .set_response_timeout(Some(self.patience));
        let connection = self.client.get_multiplexed_async_connection_with_config(&bounds).await?;
        self.link().connection = Some(connection.clone());
        Ok(Some(connection))
    }

    fn failed<T>(&self, error: &dyn Error) -> Option<T> {
        let before = std::mem::replace(&mut *self.link(), Link { connection: None, failed_at: Some(Instant::now()) });
        self.up.set(0);
        if before.failed_at.is_none() {
            let purpose = self.purpose;
            tracing::warn!(purpose, error = %error, "Redis does not answer; this node works without it until it does");
        }
        None
    }

    fn link(&self) -> std::sync::MutexGuard<'_, Link> {
        self.link.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
