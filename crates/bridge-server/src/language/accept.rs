//! What `Accept-Language` asks for.

use super::Language;
use axum::http::{HeaderMap, header};

/// How many languages of a request are looked at: nobody means more, and a long header must not cost more.
const RANGES_MAX: usize = 32;

/// The longest part that can be a language with its weight, in bytes.
const RANGE_BYTES_MAX: usize = 64;

/// The one of our languages that a request prefers; `None` if it names none of them. What can't be understood counts
/// as not said.
pub fn asked_for(headers: &HeaderMap) -> Option<Language> {
    let lines = headers.get_all(header::ACCEPT_LANGUAGE).iter().filter_map(|line| line.to_str().ok());
    let mut best: Option<(Language, u16)> = None;
    let mut refused = Vec::new();
    let mut any = 0;
    for range in lines.flat_map(|line| line.split(',')).take(RANGES_MAX) {
        let Some((tag, weight)) = read(range) else { continue };
        match Language::of_tag(tag) {
            Some(language) if weight == 0 => refused.push(language),
            // The first of equals is preferred.
            Some(language) if best.is_none_or(|(_, known)| weight > known) => best = Some((language, weight)),
            None if tag == "*" => any = weight,
            _ => {}
        }
    }
    // `*` means those that were not named.
    let other = Language::ALL.into_iter().find(|language| {
        any > best.map_or(0, |(_, weight)| weight)
            && !refused.contains(language)
            && best.is_none_or(|(named, _)| named != *language)
    });
    other.or(best.map(|(language, _)| language))
}

/// The tag of a language and its weight in thousandths.
fn read(range: &str) -> Option<(&str, u16)> {
    if range.len() > RANGE_BYTES_MAX {
        return None;
    }
    let (tag, parameter) = range.split_once(';').unwrap_or((range, ""));
    let weight = match parameter.trim() {
        "" => 1_000,
        parameter => thousandths(parameter.strip_prefix("q=").or_else(|| parameter.strip_prefix("Q="))?)?,
    };
    Some((tag.trim(), weight))
}

/// A weight from 0 to 1 with at most three places.
fn thousandths(text: &str) -> Option<u16> {
    let (whole, places) = text.split_once('.').unwrap_or((text, ""));
    let whole: u16 = whole.parse().ok()?;
    if places.len() > 3 || !places.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let places: u16 = format!("{places:0<3}").parse().ok()?;
    whole.checked_mul(1_000)?.checked_add(places).filter(|weight| *weight <= 1_000)
}

#[cfg(test)]
mod tests {
    use super::*;
    use Language::{Arabic, English, French};

    fn asked(lines: &[&str]) -> Option<Language> {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(header::ACCEPT_LANGUAGE, line.parse().unwrap());
        }
        asked_for(&headers)
    }

    #[test]
    fn the_highest_weight_wins_and_of_equals_the_first() {
        for (line, language) in [
            ("ar", Arabic),
            ("ar-SA", Arabic),
            ("AR-sa;q=0.5", Arabic),
            ("fr_CA", French),
            ("de, fr;q=0.3", French),
            ("ar;q=0.8, fr;q=0.9, en;q=0.1", French),
            ("fr;q=0.8, ar;q=0.8", French),
            ("fr ; q=0.1 , ar ; q=0.2", Arabic),
            ("fr;q=0.001", French),
            ("de;q=1.0, en-GB;q=0.7, fr;q=0.7", English),
            ("*", English),
            ("de, *;q=0.1", English),
            ("fr;q=0.2, *;q=0.1", French),
            ("fr;q=0.1, *;q=0.9", English),
            ("en;q=0, *", Arabic),
            ("fr;Q=0.4", French),
        ] {
            assert_eq!(asked(&[line]), Some(language), "{line}");
        }
        assert_eq!(asked(&["de", "ar;q=0.1"]), Some(Arabic), "a header may come in several lines");
    }

    #[test]
    fn what_is_not_understood_counts_as_not_said() {
        for line in
            ["", ",", ";;;", "q=1", "de", "tlh", "art-lojban", "fr;q=0", "fr;q=x", "fr;q=", "fr;q=2", "fr;q=1.0001"]
        {
            assert_eq!(asked(&[line]), None, "{line}");
        }
        assert_eq!(asked(&["fr;q=-1, \t"]), None);
        assert_eq!(asked(&["fr;q=65537", "fr;level=1"]), None);
        let long = format!("{}ar", "x,".repeat(RANGES_MAX));
        assert_eq!(asked(&[&long]), None, "it is not read to its end");
        assert_eq!(asked(&[&format!("fr{}", "-x".repeat(40_000)), "ar"]), Some(Arabic));
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_LANGUAGE, axum::http::HeaderValue::from_bytes(b"fr\xff").unwrap());
        assert_eq!(asked_for(&headers), None);
    }
}
