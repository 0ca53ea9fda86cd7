//! `since`: digits are a position, RFC 3339 is a time.

use crate::context::Context;
use crate::language::Reason;
use crate::problem::Problem;
use bridge_model::{Position, TenantId, Timestamp};
use bridge_store::StoreError;

/// From when on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Since {
    /// After this position.
    Position(Position),
    /// At or after this time.
    Time(Timestamp),
}

impl Since {
    /// Reads the parameter.
    pub(super) fn parse(text: &str) -> Result<Self, Problem> {
        text.parse()
            .map(Self::Position)
            .or_else(|_| Timestamp::parse_rfc3339(text).map(Self::Time))
            .map_err(|_| Problem::field("since", Reason::position_or_time()))
    }

    /// The position before the first change that is meant, a time being that of arrival.
    pub(super) async fn position(self, cx: &Context, tenant: TenantId) -> Result<Position, StoreError> {
        match self {
            Self::Position(position) => Ok(position),
            Self::Time(time) => cx.store.position_before(tenant, time).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_a_position_and_the_rest_is_a_time() {
        assert_eq!(Since::parse("525").unwrap(), Since::Position(Position::new(525)));
        let time = Timestamp::parse_rfc3339("2025-11-16T10:30:00Z").unwrap();
        assert_eq!(Since::parse("2025-11-16T11:30:00+01:00").unwrap(), Since::Time(time));
        for bad in ["", "-1", "yesterday", "2025-11-16", "99999999999999999999", "2025-11-16 10:30:00"] {
            assert!(Since::parse(bad).is_err(), "{bad:?}");
        }
    }
}
