//! Positions in our log, and the ERP's own: two types that never mix.

use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// A place in a tenant's log: given in commit order, starting at 1. Zero is 'before everything'.
///
/// As a JSON number it is an event's `id`; as a string it is a sync token.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(i64);

impl Position {
    /// Before the first change.
    pub const START: Self = Self(0);

    /// A position from the store's number; negative numbers count as the start.
    pub fn new(number: i64) -> Self {
        Self(number.max(0))
    }

    /// The number, as the store and the JSON have it.
    pub fn get(self) -> i64 {
        self.0
    }

    /// The position `count` places further.
    pub fn plus(self, count: i64) -> Self {
        Self(self.0.saturating_add(count))
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A sync token that is not a position.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a sync token must be a whole number from 0 on, in digits")]
pub struct InvalidToken;

impl FromStr for Position {
    type Err = InvalidToken;

    fn from_str(text: &str) -> Result<Self, InvalidToken> {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        match text.parse::<i64>() {
            Ok(number) if digits => Ok(Self(number)),
            _ => Err(InvalidToken),
        }
    }
}

/// The life of one source's numbering. A restored ERP or a reinstalled add-on starts its ids over and so opens
/// the next epoch, which keeps its events apart from older ones that bear the same ids.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Epoch(pub i64);

/// The ERP's own id of an event (for Odoo the id of an `update.webhook` row, in digits).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SourceId(pub String);

impl SourceId {
    /// The id as a number, for sources that count their events; `None` for other keys.
    pub fn as_number(&self) -> Option<i64> {
        self.0.parse().ok().filter(|n| *n >= 0)
    }
}

impl From<i64> for SourceId {
    fn from(number: i64) -> Self {
        Self(number.to_string())
    }
}

impl fmt::Display for SourceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_plain_digits_are_a_token() {
        assert_eq!("525".parse::<Position>().unwrap(), Position::new(525));
        for bad in ["", "-1", "+5", "1e3", " 7", "99999999999999999999", "abc"] {
            assert!(bad.parse::<Position>().is_err(), "{bad:?}");
        }
    }
}
