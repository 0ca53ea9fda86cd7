//! Patterns for names of models and tables, as configs and command lines have them.

/// Whether one of the patterns means this name; a `*` stands for any part of it.
pub fn is_among(patterns: &[String], name: &str) -> bool {
    patterns.iter().any(|pattern| fits(pattern, name))
}

fn fits(pattern: &str, name: &str) -> bool {
    let Some((start, rest)) = pattern.split_once('*') else { return pattern == name };
    let Some(mut name) = name.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split('*').collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        let Some(at) = name.find(part) else { return false };
        name = &name[at + part.len()..];
    }
    name.ends_with(end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_part_of_a_name() {
        for (pattern, name, expected) in [
            ("sale.*", "sale.order", true),
            ("sale.*", "sales.order", false),
            ("*.report", "sale.report", true),
            ("*.report.*", "stock.report.lines", true),
            ("*.report.*", "stock.report", false),
            ("a*b*c", "a-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*ba", "aba", false),
            ("*", "anything", true),
        ] {
            assert_eq!(is_among(&["never".to_owned(), pattern.to_owned()], name), expected, "{pattern} {name}");
        }
    }
}
