//! GS1 element strings: identifiers, each followed by its value.

use super::gtin::check;
use super::identifiers::{Form, Identifier, at_start};
use super::{BarcodeError, Gtin, SEPARATOR};
use jiff::civil::Date;

/// The elements of a string, in its order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Elements(Vec<Element>);

/// A value with its meaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Element {
    /// The application identifier, `17`; that of a measure with its decimals, `3103`.
    pub identifier: String,
    /// What the value is, in one word.
    pub meaning: &'static str,
    /// The value: a day as `2026-12-31`, a measure with its decimal point, everything else as it stands there.
    pub value: String,
    /// The unit of a measure.
    pub unit: Option<&'static str>,
}

/// The most characters of a string that an error quotes.
const QUOTED_CHARS_MAX: usize = 8;

/// Whether a text is a string as it is printed for people: `(01)06110000000017(10)A-7`.
pub(super) fn is_written_for_people(text: &str) -> bool {
    text.strip_prefix('(')
        .and_then(|rest| rest.split_once(')'))
        .is_some_and(|(code, _)| (2..=4).contains(&code.len()) && code.bytes().all(|byte| byte.is_ascii_digit()))
}

impl Elements {
    /// Reads a string as scanners send it, with or without the separator that stands for its first FNC1.
    pub(super) fn parse(text: &str, this_year: i16) -> Result<Self, BarcodeError> {
        let mut elements = Self(Vec::new());
        let mut rest = text.strip_prefix(SEPARATOR).unwrap_or(text);
        loop {
            let identifier = at_start(rest).ok_or_else(|| unknown(rest))?;
            let (code, after) = rest.split_at_checked(identifier.characters()).ok_or_else(|| unknown(rest))?;
            let (value, after) = if identifier.has_set_length() {
                let wrong = || wrong_value(code, identifier.form);
                let (value, after) = after.split_at_checked(identifier.form.length().1).ok_or_else(wrong)?;
                (value, after.strip_prefix(SEPARATOR).unwrap_or(after))
            } else {
                after.split_once(SEPARATOR).unwrap_or((after, ""))
            };
            elements.add(identifier, code, value, this_year)?;
            if after.is_empty() {
                return Ok(elements);
            }
            rest = after;
        }
    }

    /// Reads a string as it is printed for people, with its identifiers in parentheses. A value can have parentheses of
    /// its own: only a known identifier in them begins a new element.
    pub(super) fn parse_written(text: &str, this_year: i16) -> Result<Self, BarcodeError> {
        let mut elements = Self(Vec::new());
        let mut rest = text;
        while !rest.is_empty() {
            let (code, after) = element_start(rest).ok_or_else(|| unknown(rest))?;
            let identifier = at_start(code).ok_or_else(|| unknown(rest))?;
            let starts = after.match_indices('(').map(|(at, _)| at);
            let end = starts.filter(|at| after.get(*at..).and_then(element_start).is_some()).min();
            let (value, next) = after.split_at_checked(end.unwrap_or(after.len())).unwrap_or((after, ""));
            elements.add(identifier, code, value.trim(), this_year)?;
            rest = next;
        }
        Ok(elements)
    }

    /// The elements, in the order of the string.
    pub fn iter(&self) -> impl Iterator<Item = &Element> {
        self.0.iter()
    }

    /// The trade item that it stands on, or else the one that is inside.
    pub fn gtin(&self) -> Option<Gtin> {
        self.value("01").or_else(|| self.value("02")).and_then(|digits| Gtin::parse(digits).ok())
    }

    /// The lot or, without one, the serial number.
    pub fn lot(&self) -> Option<&str> {
        self.value("10").or_else(|| self.value("21"))
    }

    /// The value that follows an identifier.
    pub fn value(&self, identifier: &str) -> Option<&str> {
        self.0.iter().find(|element| element.identifier == identifier).map(|element| element.value.as_str())
    }

    fn add(
        &mut self,
        identifier: &'static Identifier,
        code: &str,
        value: &str,
        this_year: i16,
    ) -> Result<(), BarcodeError> {
        let value = reading(identifier.form, code, value, this_year)?;
        match self.value(code) {
            None => {
                let Identifier { meaning, unit, .. } = *identifier;
                self.0.push(Element { identifier: code.to_owned(), meaning, value, unit });
                Ok(())
            }
            // Two symbols on one label may both tell the item.
            Some(known) if known == value => Ok(()),
            Some(_) => Err(BarcodeError::Repeated { identifier: code.to_owned() }),
        }
    }
}

/// The identifier in parentheses that a text begins with, and what follows it.
fn element_start(text: &str) -> Option<(&str, &str)> {
    let (code, after) = text.strip_prefix('(')?.split_once(')')?;
    at_start(code).filter(|known| known.characters() == code.len()).map(|_| (code, after))
}

/// A value in its own form, checked.
fn reading(form: Form, code: &str, value: &str, this_year: i16) -> Result<String, BarcodeError> {
    let wrong = || wrong_value(code, form);
    let (least, most) = form.length();
    let fits = match form {
        Form::TextTo(_) => value.chars().all(is_in_text),
        _ => value.bytes().all(|byte| byte.is_ascii_digit()),
    };
    if !fits || !(least..=most).contains(&value.len()) {
        return Err(wrong());
    }
    // Only its last digit is looked at, which is what it says for these forms alone.
    let decimals = || code.bytes().last().map_or(0, |digit| usize::from(digit - b'0'));
    match form {
        Form::Checked(_) => check(value, Some(code)).map(|()| value.to_owned()),
        Form::Day => day(value, this_year).ok_or_else(|| BarcodeError::Date { identifier: code.to_owned() }),
        Form::Measure | Form::Amount => with_decimals(value, decimals()).ok_or_else(wrong),
        Form::AmountIn => {
            let (currency, amount) = value.split_at_checked(3).ok_or_else(wrong)?;
            Ok(format!("{currency} {}", with_decimals(amount, decimals()).ok_or_else(wrong)?))
        }
        Form::Digits(_) | Form::DigitsTo(_) | Form::TextTo(_) => Ok(value.to_owned()),
    }
}

/// The characters that values may have, apart from digits.
fn is_in_text(c: char) -> bool {
    c.is_ascii_alphanumeric() || r#"!"%&'()*+,-./:;<=>?_"#.contains(c)
}

/// A day of two digits each for its year, its month and itself. The year is the one of that ending which is nearest: at
/// most 49 years back and at most 50 ahead, as the standard has it. A day of 00 is the last one of its month.
fn day(digits: &str, this_year: i16) -> Option<String> {
    let two = |at: usize| digits.get(at..at + 2)?.parse::<i16>().ok();
    let (year, month, day) = (two(0)?, two(2)?, two(4)?);
    let ahead = (year - this_year).rem_euclid(100);
    let year = this_year.checked_add(if ahead > 50 { ahead - 100 } else { ahead })?;
    let (month, day) = (i8::try_from(month).ok()?, i8::try_from(day).ok()?);
    let first = Date::new(year, month, 1).ok()?;
    let date = if day == 0 { first.last_of_month() } else { Date::new(year, month, day).ok()? };
    Some(date.to_string())
}

/// Digits with a decimal point before the last `decimals` of them.
fn with_decimals(digits: &str, decimals: usize) -> Option<String> {
    let (whole, part) = digits.split_at_checked(digits.len().checked_sub(decimals)?)?;
    let whole = match whole.trim_start_matches('0') {
        "" => "0",
        whole => whole,
    };
    Some(if part.is_empty() { whole.to_owned() } else { format!("{whole}.{part}") })
}

fn unknown(rest: &str) -> BarcodeError {
    BarcodeError::UnknownIdentifier { start: rest.chars().take(QUOTED_CHARS_MAX).collect() }
}

fn wrong_value(code: &str, form: Form) -> BarcodeError {
    BarcodeError::Value { identifier: code.to_owned(), form: form.notation() }
}
