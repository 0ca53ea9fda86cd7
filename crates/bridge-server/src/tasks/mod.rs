//! Work that somebody asks for and does not wait for: batches that go on after their request is answered.
//!
//! A task is durable. Before operations are begun that is noted, and so is what came of them. If the process dies in
//! between, whoever goes on knows which operations may have been done: writes among them have an unknown outcome and are
//! not sent again, reads are. The tasks of a tenant are done in their order, one after the other, by the node that holds
//! the tenant's lease; it is the fence of that lease by which one who lost it is not heard any more.

mod execute;
mod list;
mod run;
mod view;

pub use execute::{Executed, execute};
pub use list::{ListTasks, TaskPage, cancel, list, task};
pub use run::run;
pub use view::{TaskStatus, TaskView};
