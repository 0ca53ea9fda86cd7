//! A place in the database's write-ahead log.

use std::fmt;
use std::str::FromStr;

/// A byte position in the write-ahead log. It grows for as long as the database lives, and starts over in no life
/// of it; after a restore it can go back.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Lsn(pub u64);

/// The size of the log's pages, and the most that stands at the head of one.
const PAGE_BYTES: u64 = 8_192;
const PAGE_HEAD_BYTES_MAX: u64 = 40;

impl Lsn {
    /// How many bytes lie between `earlier` and this place; 0 if it is the later one.
    pub fn bytes_since(self, earlier: Self) -> u64 {
        self.0.saturating_sub(earlier.0)
    }

    /// Whether nothing that was written before `end` lies behind this place. Where the log ends is sometimes told
    /// with the head of a page that nothing has been written to yet.
    pub fn reaches(self, end: Self) -> bool {
        self >= end || (self.0.is_multiple_of(PAGE_BYTES) && end.0 - self.0 <= PAGE_HEAD_BYTES_MAX)
    }
}

impl fmt::Display for Lsn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:X}/{:X}", self.0 >> 32, self.0 & 0xFFFF_FFFF)
    }
}

/// A text that is no place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a place in the write-ahead log is written like 16/B374D848")]
pub struct InvalidLsn;

impl FromStr for Lsn {
    type Err = InvalidLsn;

    fn from_str(text: &str) -> Result<Self, InvalidLsn> {
        let half = |digits: &str| {
            let plain = (1..=8).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_hexdigit());
            let number = u64::from_str_radix(digits, 16).ok();
            number.filter(|_| plain).ok_or(InvalidLsn)
        };
        let (high, low) = text.split_once('/').ok_or(InvalidLsn)?;
        Ok(Self(half(high)? << 32 | half(low)?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_written_and_read_as_postgresql_does() {
        for (text, number) in [("0/0", 0), ("16/B374D848", 0x16_B374_D848), ("FFFFFFFF/FFFFFFFF", u64::MAX)] {
            assert_eq!(text.parse(), Ok(Lsn(number)));
            assert_eq!(Lsn(number).to_string(), text);
        }
        for text in ["", "/", "1/", "/1", "1/2/3", "+1/1", "100000000/0", "1/g"] {
            assert_eq!(text.parse::<Lsn>(), Err(InvalidLsn), "{text}");
        }
        assert_eq!(Lsn(7).bytes_since(Lsn(3)), 4);
        assert_eq!(Lsn(3).bytes_since(Lsn(7)), 0);
    }

    #[test]
    fn the_head_of_an_empty_page_is_nothing_to_wait_for() {
        assert!(Lsn(5).reaches(Lsn(5)) && Lsn(6).reaches(Lsn(5)));
        assert!(!Lsn(5).reaches(Lsn(6)));
        assert!(Lsn(8_192).reaches(Lsn(8_192 + 24)) && !Lsn(8_192).reaches(Lsn(8_192 + 48)));
    }
}
