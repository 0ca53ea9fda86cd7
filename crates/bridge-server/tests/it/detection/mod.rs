//! Who sees the changes of which model.

mod company;
mod discovery;
mod handover;
mod ownership;
mod polling;
mod schedules;
