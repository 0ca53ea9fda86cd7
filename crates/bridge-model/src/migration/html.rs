//! Plain text as HTML, and back.

/// What a text is put between.
const BEGIN: &str = "<p>";
const END: &str = "</p>";

/// The tags that say no more than where a line ends.
const PLAIN_TAGS: [&str; 5] = ["p", "br", "div", "span", "body"];

/// The text as HTML that shows the same; an empty one stays empty.
pub(super) fn from_text(text: &str) -> String {
    if text.is_empty() {
        return String::new();
    }
    let mut html = String::with_capacity(text.len() + BEGIN.len() + END.len());
    html.push_str(BEGIN);
    for c in text.chars() {
        match c {
            '&' => html.push_str("&amp;"),
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '\n' => html.push_str("<br>"),
            c => html.push(c),
        }
    }
    html.push_str(END);
    html
}

/// The text that this HTML shows, and whether it showed it in a way that text can't.
pub(super) fn to_text(html: &str) -> (String, bool) {
    let mut text = String::with_capacity(html.len());
    let mut is_lost = false;
    let whole = html.strip_prefix(BEGIN).and_then(|rest| rest.strip_suffix(END));
    let mut rest = whole.unwrap_or(html);
    while let Some(at) = rest.find('<') {
        text.push_str(&unescaped(&rest[..at]));
        let Some(end) = rest[at..].find('>') else {
            text.push('<');
            rest = &rest[at + 1..];
            continue;
        };
        let tag = rest[at + 1..at + end].trim_end_matches('/').trim();
        let name = tag.trim_start_matches('/').split(char::is_whitespace).next().unwrap_or_default();
        let name = name.to_ascii_lowercase();
        is_lost |= !PLAIN_TAGS.contains(&name.as_str()) || tag.contains('=');
        let ends_line = name == "br" || tag.starts_with('/') && matches!(name.as_str(), "p" | "div" | "li" | "tr");
        if ends_line {
            text.push('\n');
        }
        rest = &rest[at + end + 1..];
    }
    text.push_str(&unescaped(rest));
    let text = if whole.is_some() && !is_lost { text } else { text.trim().to_owned() };
    (text, is_lost)
}

fn unescaped(text: &str) -> String {
    let entities = [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#39;", "'"),
        ("&#34;", "\""),
        ("&nbsp;", " "),
        ("&amp;", "&"),
    ];
    let mut plain = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        plain.push_str(&rest[..at]);
        rest = &rest[at..];
        if let Some((entity, meant)) = entities.iter().find(|(entity, _)| rest.starts_with(entity)) {
            plain.push_str(meant);
            rest = &rest[entity.len()..];
        } else {
            plain.push('&');
            rest = &rest[1..];
        }
    }
    plain.push_str(rest);
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn html_becomes_the_text_that_it_shows() {
        assert_eq!(
            to_text("<p>Call <b>Ann</b><br/>after 5 &amp; before 6</p>"),
            ("Call Ann\nafter 5 & before 6".into(), true)
        );
        assert_eq!(to_text("<div>one</div><div>two</div>"), ("one\ntwo".into(), false));
        assert_eq!(to_text("<p style=\"color:red\">x</p>"), ("x".into(), true));
        assert_eq!(to_text("a < b"), ("a < b".into(), false));
    }

    proptest! {
        #[test]
        fn text_survives_the_way_there_and_back(text in "[ -~\\n<>&;é]{0,60}") {
            prop_assert_eq!(to_text(&from_text(&text)), (text, false));
        }
    }
}
