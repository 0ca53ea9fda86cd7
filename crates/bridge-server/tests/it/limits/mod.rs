//! How often somebody may ask for something.

mod counted;
mod nodes;
mod plans;

use crate::support::Answer;

/// What an answer says in its headers: the limit, what remains and in how many seconds all does.
#[track_caller]
fn told(answer: &Answer) -> [u64; 3] {
    ["ratelimit-limit", "ratelimit-remaining", "ratelimit-reset"].map(|name| {
        let value = answer.headers.get(name).unwrap_or_else(|| panic!("no {name}: {answer:?}"));
        value.to_str().unwrap().parse().unwrap()
    })
}

/// The seconds after which a refused request may come again.
#[track_caller]
fn retry_after(answer: &Answer) -> u64 {
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}
