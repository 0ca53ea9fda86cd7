//! The versions of Odoo that records are carried between.

use serde::{Deserialize, Serialize};
use std::fmt;

/// A version of Odoo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "&'static str")]
pub enum Version {
    /// 13.0
    V13,
    /// 14.0
    V14,
    /// 15.0
    V15,
    /// 16.0
    V16,
    /// 17.0
    V17,
    /// 18.0
    V18,
    /// 19.0
    V19,
}

/// A text that names none of the versions.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is none of 13.0, 14.0, 15.0, 16.0, 17.0, 18.0, 19.0")]
pub struct UnknownVersion(pub String);

impl Version {
    /// All of them, the oldest first.
    pub const ALL: [Self; 7] = [Self::V13, Self::V14, Self::V15, Self::V16, Self::V17, Self::V18, Self::V19];

    /// Reads `13.0`, or what a server says of itself, such as `saas~18.2` or `19.0+e`: the version is the one before
    /// the first point.
    pub fn parse(text: &str) -> Result<Self, UnknownVersion> {
        let number = text.strip_prefix("saas~").unwrap_or(text);
        let number = number.split('.').next().unwrap_or_default();
        let found = Self::ALL.into_iter().find(|version| version.as_str().split('.').next() == Some(number));
        found.ok_or_else(|| UnknownVersion(text.to_owned()))
    }

    /// As Odoo writes it, `13.0`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::V13 => "13.0",
            Self::V14 => "14.0",
            Self::V15 => "15.0",
            Self::V16 => "16.0",
            Self::V17 => "17.0",
            Self::V18 => "18.0",
            Self::V19 => "19.0",
        }
    }

    /// The versions from this one to `to`, both included, one after the other.
    pub fn path(self, to: Self) -> Vec<Self> {
        let between =
            |low: Self, high: Self| Self::ALL.into_iter().filter(move |version| (low..=high).contains(version));
        if self <= to { between(self, to).collect() } else { between(to, self).rev().collect() }
    }
}

impl fmt::Display for Version {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl From<Version> for &'static str {
    fn from(version: Version) -> Self {
        version.as_str()
    }
}

impl TryFrom<String> for Version {
    type Error = UnknownVersion;
    fn try_from(text: String) -> Result<Self, UnknownVersion> {
        Self::parse(&text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_is_read_as_people_and_servers_write_it() {
        for text in ["17.0", "17", "17.0+e", "saas~17.2"] {
            assert_eq!(Version::parse(text).unwrap(), Version::V17, "{text}");
        }
        for text in ["", "12.0", "20.0", "1", "seventeen"] {
            assert!(Version::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_path_goes_through_every_version_in_both_directions() {
        assert_eq!(Version::V13.path(Version::V19), Version::ALL);
        assert_eq!(Version::V16.path(Version::V14), [Version::V16, Version::V15, Version::V14]);
        assert_eq!(Version::V15.path(Version::V15), [Version::V15]);
    }
}
