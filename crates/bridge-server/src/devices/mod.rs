//! The devices of users. One is registered by its first pull, and forgotten when it was not used for long enough
//! (`retention.device_days`) or when somebody says so.

mod forget;
mod list;

pub use forget::{ForgetDevice, Forgotten, forget};
pub use list::{AppView, DevicePage, DeviceView, ListDevices, list};
