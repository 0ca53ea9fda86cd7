//! Several operations in one request.
//!
//! They are done in their order, each as if it had come by itself: checked by the same rules, with the same rights. What
//! can be one call of the system without another outcome becomes one: neighbouring creates of the same fields, equal
//! updates, deletes, and reads by id. The system does such a call as a whole or not at all, so that one bad record in it
//! would keep the others out. A call that is refused is therefore halved and sent again, until it is known whose fault it
//! is; the order stays.

mod answer;
mod execute;
mod group;
mod references;
mod request;
mod run;

pub use answer::{BatchAnswer, OperationError, OperationResult, OperationStatus};
pub use execute::{checked, execute};
pub use request::BatchRequest;
pub(crate) use run::Run;
