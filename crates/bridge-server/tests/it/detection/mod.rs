//! Who sees the changes of which model.

mod ownership;
