//! Which life of an event table is meant: an ERP that was restored, or an add-on that was installed anew, counts its
//! events from an earlier number again.
//!
//! A reader learns more of a life than a push tells. A push names the add-on's epoch; a reader's identity goes on
//! after it with what tells a copy of the database from the original, each part after a `/`. Behind a `#` stands how
//! often the numbers were seen to start over although all of that stayed the same.

/// Whether `told` names the life that is known as `known`: one of them may say more than the other.
pub(super) fn is_same(known: &str, told: &str) -> bool {
    let (known, _) = split(known);
    let goes_on = |long: &str, short: &str| long.strip_prefix(short).is_some_and(|rest| rest.starts_with('/'));
    known == told || goes_on(known, told) || goes_on(told, known)
}

/// The name of the life after the one known as `known`, for a table that says of itself what it said before.
pub(super) fn next(known: &str, told: &str) -> String {
    format!("{told}#{}", split(known).1 + 1)
}

fn split(known: &str) -> (&str, u32) {
    match known.rsplit_once('#') {
        Some((name, count)) => count.parse().map_or((known, 0), |count| (name, count)),
        None => (known, 0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_and_a_reader_mean_the_same_life() {
        for (known, told) in [("a", "a"), ("a/u/7", "a"), ("a", "a/u/7"), ("a/u/7#2", "a/u/7"), ("a/u/7#2", "a")] {
            assert!(is_same(known, told), "{known} {told}");
        }
        for (known, told) in [("a", "b"), ("a/u/7", "a/u/8"), ("ab/u", "a"), ("a", "ab/u"), ("a/u/7#1", "b")] {
            assert!(!is_same(known, told), "{known} {told}");
        }
    }

    #[test]
    fn each_start_over_has_a_name_of_its_own() {
        assert_eq!(next("a/u", "a/u"), "a/u#1");
        assert_eq!(next("a/u#1", "a/u"), "a/u#2");
    }
}
