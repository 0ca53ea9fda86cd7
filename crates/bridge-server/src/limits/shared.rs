//! Limits that nodes count together, in Redis.
//!
//! The arithmetic is that of [`super::rate`], done in one step where the numbers are, by Redis' own clock: the clocks of
//! the nodes need not agree for it. An entry ends by itself when its allowances are whole, so that Redis holds those who
//! asked within the last hour. What it loses or drops is a whole allowance for whom it knew; it never refuses more for it.

use super::table::{Ahead, Key, RATES_MAX, Rates};
use crate::config::{Config, ms};
use crate::redis::Redis;
use prometheus::IntGauge;
use redis::RedisError;

/// Counts one request. `KEYS[1]` holds when each allowance is whole, in microseconds, by the length of its window;
/// `ARGV` has for each its window, its interval and its span. Answers how far ahead the request puts each.
const SCRIPT: &str = "\
local time = redis.call('TIME')
local now = time[1] * 1000000 + time[2]
local ahead, is_in, last = {}, true, 0
for i = 1, #ARGV, 3 do
  local interval, span = tonumber(ARGV[i + 1]), tonumber(ARGV[i + 2])
  local whole_at = tonumber(redis.call('HGET', KEYS[1], ARGV[i])) or 0
  local to = math.min(math.max(whole_at - now, 0), span) + interval
  ahead[#ahead + 1] = to
  is_in = is_in and to <= span
  last = math.max(last, to)
end
if is_in then
  for i, to in ipairs(ahead) do
    redis.call('HSET', KEYS[1], ARGV[3 * i - 2], string.format('%.0f', now + to))
  end
  redis.call('PEXPIRE', KEYS[1], string.format('%.0f', math.ceil(last / 1000)))
end
return ahead
";

/// The counts in Redis.
#[derive(Debug)]
pub(super) struct Shared {
    redis: Redis,
    prefix: String,
}

impl Shared {
    /// `None` if no Redis is configured, or it is not for limits; the error is an address that can't be one.
    pub(super) fn new(config: &Config, up: impl FnOnce() -> IntGauge) -> Result<Option<Self>, RedisError> {
        let (limits, cache) = (&config.limits, &config.cache);
        if !limits.enabled || !limits.shared || cache.redis_url.is_empty() {
            return Ok(None);
        }
        // A connection of its own, so that no large answer of the cache stands before what every request waits for.
        let redis = Redis::new(&cache.redis_url, ms(cache.redis_timeout_ms), "limits", up())?;
        Ok(Some(Self { redis, prefix: limits.redis_prefix.clone() }))
    }

    /// How far ahead a request puts each of its limits; it is counted if all of them let it in. `None` if Redis is away.
    pub(super) async fn ask(&self, key: &Key, rates: &Rates) -> Option<Ahead> {
        let (who, class) = key;
        let mut script = redis::pipe();
        script.cmd("EVAL").arg(SCRIPT).arg(1).arg(format!("{}{}:{who}", self.prefix, class.as_str()));
        for rate in rates.iter().flatten() {
            let window_us = i64::try_from(rate.window().as_micros()).unwrap_or(i64::MAX);
            script.arg(window_us).arg(rate.interval_us()).arg(rate.span_us());
        }
        let (answer,): (Vec<i64>,) = self.redis.ask(&script).await?;
        let mut ahead_us = [0; RATES_MAX];
        let places = rates.iter().enumerate().filter(|(_, rate)| rate.is_some());
        for ((place, _), told) in places.zip(answer) {
            ahead_us[place] = told;
        }
        Some(ahead_us)
    }
}
