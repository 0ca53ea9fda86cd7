//! One kind of time: microseconds since 1970 in UTC, written as RFC 3339.

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::time::Duration;

/// A moment, in microseconds since 1970-01-01T00:00:00Z. In JSON it is RFC 3339 in UTC.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

/// A text that is no time.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a time must be RFC 3339, for example 2025-11-16T10:30:00Z")]
pub struct InvalidTime;

/// The latest moment that is accepted (the year 9999), so that every stored time can be written out.
const LATEST_US: i64 = 253_402_207_200_000_000;

impl Timestamp {
    /// The moment `micros` microseconds after 1970, moved into the years that can be written.
    pub fn from_micros(micros: i64) -> Self {
        Self(micros.clamp(-LATEST_US, LATEST_US))
    }

    /// Microseconds since 1970; negative before.
    pub fn as_micros(self) -> i64 {
        self.0
    }

    /// The moment `duration` later.
    pub fn plus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_add(micros))
    }

    /// The moment `duration` earlier.
    pub fn minus(self, duration: Duration) -> Self {
        let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
        Self::from_micros(self.0.saturating_sub(micros))
    }

    /// How long ago `earlier` was; zero if it is in the future.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_micros(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }

    /// Reads RFC 3339 with any offset.
    pub fn parse_rfc3339(text: &str) -> Result<Self, InvalidTime> {
        text.parse::<jiff::Timestamp>().map(|time| Self::from_micros(time.as_microsecond())).map_err(|_| InvalidTime)
    }

    /// Reads Odoo's own form, `YYYY-MM-DD HH:MM:SS` with an optional fraction, which is always in UTC.
    pub fn parse_odoo(text: &str) -> Result<Self, InvalidTime> {
        let civil: jiff::civil::DateTime = text.parse().map_err(|_| InvalidTime)?;
        civil
            .to_zoned(jiff::tz::TimeZone::UTC)
            .map(|zoned| Self::from_micros(zoned.timestamp().as_microsecond()))
            .map_err(|_| InvalidTime)
    }

    /// Reads RFC 3339 or Odoo's own form, as the webhook endpoint accepts both.
    pub fn parse_any(text: &str) -> Result<Self, InvalidTime> {
        Self::parse_rfc3339(text).or_else(|_| Self::parse_odoo(text))
    }

    /// Reads the form of HTTP's `Date` header, `Sun, 06 Nov 1994 08:49:37 GMT`, which has whole seconds.
    pub fn parse_http(text: &str) -> Result<Self, InvalidTime> {
        let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).map_err(|_| InvalidTime)?;
        Ok(Self::from_micros(parsed.as_microsecond()))
    }

    /// That form.
    pub fn to_http(self) -> String {
        let printer = jiff::fmt::rfc2822::DateTimePrinter::new();
        let written =
            jiff::Timestamp::from_microsecond(self.0).and_then(|time| printer.timestamp_to_rfc9110_string(&time));
        // `from_micros` keeps every value in the range that jiff can write; years before 0 have no such form.
        written.unwrap_or_else(|_| "Thu, 01 Jan 1970 00:00:00 GMT".to_owned())
    }

    /// Odoo's own form, in whole seconds as Odoo has it on the wire.
    pub fn to_odoo(self) -> String {
        let text = self.whole_seconds().to_string();
        text.trim_end_matches('Z').replace('T', " ")
    }

    /// The year, in UTC.
    pub fn year(self) -> i16 {
        jiff::Timestamp::from_microsecond(self.0).map_or(1970, |time| time.to_zoned(jiff::tz::TimeZone::UTC).year())
    }

    /// The moment cut to whole seconds.
    pub fn whole_seconds(self) -> Self {
        Self(self.0.div_euclid(1_000_000) * 1_000_000)
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match jiff::Timestamp::from_microsecond(self.0) {
            Ok(time) => time.fmt(f),
            // `from_micros` keeps every value in the range that jiff can write.
            Err(_) => f.write_str("1970-01-01T00:00:00Z"),
        }
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_forms_are_read_and_one_is_written() {
        let time = Timestamp::parse_rfc3339("2025-11-16T11:30:00.25+01:00").unwrap();
        assert_eq!(time.to_string(), "2025-11-16T10:30:00.25Z");
        assert_eq!(Timestamp::parse_any("2025-11-16 10:30:00.25").unwrap(), time);
        assert_eq!(time.to_odoo(), "2025-11-16 10:30:00");
        for bad in ["", "yesterday", "2025-13-01T00:00:00Z", "2025-11-16T10:30:00"] {
            assert!(Timestamp::parse_rfc3339(bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn the_date_of_an_http_answer_is_read() {
        let time = Timestamp::parse_http("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert_eq!(time.to_string(), "1994-11-06T08:49:37Z");
        assert_eq!(time.to_http(), "Sun, 06 Nov 1994 08:49:37 GMT");
        assert!(Timestamp::parse_http("1994-11-06T08:49:37Z").is_err());
    }

    #[test]
    fn a_year_is_that_of_utc() {
        for (text, year) in [("2026-01-01T00:30:00+01:00", 2025), ("2026-12-31T23:59:59Z", 2026)] {
            assert_eq!(Timestamp::parse_rfc3339(text).unwrap().year(), year);
        }
    }

    #[test]
    fn every_value_can_be_written_and_read_back() {
        for micros in [i64::MIN, -1, 0, 1, i64::MAX] {
            let time = Timestamp::from_micros(micros);
            assert_eq!(Timestamp::parse_rfc3339(&time.to_string()).unwrap(), time);
        }
    }
}
