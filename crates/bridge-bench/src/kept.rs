//! The page: what is measured is written anew, what people wrote below it stays.

/// Everything from this line on is kept.
const KEPT_FROM: &str = "<!-- Kept by hand from here on: `cargo xtask bench` leaves it as it is. -->";

/// The new page out of the old one and what was measured now.
pub(crate) fn page(old: &str, measured: &str) -> String {
    let kept = old.find(KEPT_FROM).map_or(KEPT_FROM, |start| &old[start..]);
    format!("{}\n\n{}\n", measured.trim_end(), kept.trim_end())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_by_hand_survives_a_new_measurement() {
        let first = page("", "# Numbers\n1\n");
        assert!(first.starts_with("# Numbers\n1\n\n<!-- Kept"));
        let edited = format!("{first}\n## The add-on\nslow\n");
        let second = page(&edited, "# Numbers\n2\n");
        assert!(second.starts_with("# Numbers\n2\n"));
        assert!(!second.contains("\n1\n"));
        assert!(second.ends_with("## The add-on\nslow\n"));
        assert_eq!(page(&second, "# Numbers\n2\n"), second);
    }
}
