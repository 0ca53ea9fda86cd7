//! The names under which systems keep the answers of writes with a key.

const START: &str = "bc-";

/// How many hexadecimal digits make a name unlike any other.
const DIGITS: usize = 32;

/// The name of a write whose caller gave it this key. Callers choose their keys for themselves alone, so that 32 digits
/// that nobody else has stand before it.
pub fn name_of_write(digits: &str, key: &str) -> String {
    format!("{START}{digits}-{key}")
}

/// The caller's own key in the name of a write; what has no such name stays as it is.
pub fn callers_key(name: &str) -> &str {
    let key = name.strip_prefix(START).and_then(|rest| {
        let (digits, key) = (rest.get(..DIGITS)?, rest.get(DIGITS..)?.strip_prefix('-')?);
        (digits.bytes().all(|digit| digit.is_ascii_hexdigit()) && !key.is_empty()).then_some(key)
    });
    key.unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_gives_the_key_back_and_other_keys_stay_as_they_are() {
        let digits = "0123456789abcdef".repeat(2);
        assert_eq!(callers_key(&name_of_write(&digits, "order-1")), "order-1");
        let longer = format!("bc-{digits}");
        for other in ["order-1", "bc-", "bc-order-1", "", "bc-é", longer.as_str()] {
            assert_eq!(callers_key(other), other);
        }
    }
}
