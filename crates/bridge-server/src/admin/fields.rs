//! The rules for what people type into the fields of users and systems. Those for names and passwords are in `auth`.

use crate::language::Reason;
use crate::problem::Problem;
use serde::{Deserialize, Deserializer};

/// The longest name of a system, in characters.
const NAME_CHARS_MAX: usize = 128;

/// The longest description, in characters.
const DESCRIPTION_CHARS_MAX: usize = 2_000;

/// The longest version, in characters.
const VERSION_CHARS_MAX: usize = 32;

/// Checks a system's name for people.
pub(super) fn check_name(name: &str) -> Result<(), Problem> {
    check_line("name", name, NAME_CHARS_MAX)
}

/// Checks a description, which may have several lines.
pub(super) fn check_description(description: &str) -> Result<(), Problem> {
    let stray = |c: char| c.is_control() && !matches!(c, '\n' | '\r' | '\t');
    if description.chars().count() > DESCRIPTION_CHARS_MAX || description.chars().any(stray) {
        return Err(Problem::field("description", Reason::description(DESCRIPTION_CHARS_MAX)));
    }
    Ok(())
}

/// Checks a system's version as its owner writes it.
pub(super) fn check_version(version: &str) -> Result<(), Problem> {
    check_line("system_version", version, VERSION_CHARS_MAX)
}

/// Checks the id of a user in the ERP.
pub(super) fn check_erp_user(id: i64) -> Result<(), Problem> {
    if id > 0 { Ok(()) } else { Err(Problem::field("odoo_user_id", Reason::greater_than_0())) }
}

/// Reads a field of a partial update, where a `null` that was given differs from a field that was not: the first is
/// `Some(None)`, the second stays `None` by `#[serde(default)]`.
#[expect(clippy::option_option, reason = "left out, null and a value are the three cases of a partial update")]
pub(super) fn given<'de, T: Deserialize<'de>, D: Deserializer<'de>>(field: D) -> Result<Option<Option<T>>, D::Error> {
    Option::deserialize(field).map(Some)
}

/// Checks a text of one line.
fn check_line(field: &str, text: &str, chars_max: usize) -> Result<(), Problem> {
    let fits = (1..=chars_max).contains(&text.chars().count());
    if !fits || text.trim() != text || text.chars().any(char::is_control) {
        return Err(Problem::field(field, Reason::one_line(chars_max)));
    }
    Ok(())
}
