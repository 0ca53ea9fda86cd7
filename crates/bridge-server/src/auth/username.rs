//! The rule for log-in names.

use crate::language::Reason;
use crate::problem::Problem;

/// The longest name, in characters.
const CHARS_MAX: usize = 128;

/// Checks that a name may be given to a user.
pub fn check_username(username: &str) -> Result<(), Problem> {
    let fits = (1..=CHARS_MAX).contains(&username.chars().count());
    if !fits || username.trim() != username || username.chars().any(char::is_control) {
        return Err(Problem::field("username", Reason::one_line(CHARS_MAX)));
    }
    Ok(())
}
