//! Patterns with `%` and `_`, as SQL has them.

/// Whether `text` is what `pattern` describes: `%` is any text, `_` is any one character, and a backslash takes the
/// next character literally. `fold` ignores case.
pub(super) fn is_like(text: &str, pattern: &str, fold: bool) -> bool {
    let text: Vec<char> = characters(text, fold);
    let tokens = tokens(&characters(pattern, fold));
    // Greedy with one point to come back to: linear for usual patterns, and never worse than text times pattern.
    let (mut t, mut p) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while t < text.len() {
        match tokens.get(p) {
            Some(Token::Many) => {
                back = Some((p, t));
                p += 1;
            }
            Some(Token::One) => (t, p) = (t + 1, p + 1),
            Some(Token::Char(c)) if *c == text[t] => (t, p) = (t + 1, p + 1),
            _ => {
                let Some((star, from)) = back else { return false };
                back = Some((star, from + 1));
                (t, p) = (from + 1, star + 1);
            }
        }
    }
    tokens[p..].iter().all(|token| matches!(token, Token::Many))
}

enum Token {
    Many,
    One,
    Char(char),
}

fn characters(text: &str, fold: bool) -> Vec<char> {
    if fold { text.chars().flat_map(char::to_lowercase).collect() } else { text.chars().collect() }
}

fn tokens(pattern: &[char]) -> Vec<Token> {
    let mut tokens = Vec::with_capacity(pattern.len());
    let mut rest = pattern.iter();
    while let Some(c) = rest.next() {
        tokens.push(match c {
            '%' => Token::Many,
            '_' => Token::One,
            '\\' => Token::Char(rest.next().copied().unwrap_or('\\')),
            other => Token::Char(*other),
        });
    }
    tokens
}
