//! Starting from the current records, and what a pull may answer besides the changes.

mod extras;
mod include;
mod pages;
mod phone;
mod schedules;
mod tokens;
