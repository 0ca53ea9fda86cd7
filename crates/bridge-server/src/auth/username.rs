//! The rule for log-in names.

use crate::problem::Problem;

/// The longest name, in characters.
const CHARS_MAX: usize = 128;

/// Checks that a name may be given to a user.
pub fn check_username(username: &str) -> Result<(), Problem> {
    let fits = (1..=CHARS_MAX).contains(&username.chars().count());
    if !fits || username.trim() != username || username.chars().any(char::is_control) {
        let reason = format!("must be 1 to {CHARS_MAX} characters in one line, without spaces at its ends");
        return Err(Problem::field("username", &reason));
    }
    Ok(())
}
