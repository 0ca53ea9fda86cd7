//! How a file is named to clients.

use bridge_model::SystemId;
use std::fmt;
use std::str::FromStr;

/// A file: the system that keeps it and its number there, written `odoo_main-8812`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileId {
    /// The system.
    pub system_id: SystemId,
    /// The attachment's number.
    pub attachment: i64,
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.system_id, self.attachment)
    }
}

/// It is not of the form.
#[derive(Debug, thiserror::Error)]
#[error("a file's id is that of its system, a hyphen and a number")]
pub struct NoFileId;

impl FromStr for FileId {
    type Err = NoFileId;

    fn from_str(text: &str) -> Result<Self, NoFileId> {
        // A system's id may have hyphens of its own.
        let (system_id, number) = text.rsplit_once('-').ok_or(NoFileId)?;
        let system_id = SystemId::parse(system_id).map_err(|_| NoFileId)?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        let attachment = number.parse().ok().filter(|_| is_number).ok_or(NoFileId)?;
        Ok(Self { system_id, attachment })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_system_and_number() {
        for text in ["odoo_main-8812", "north-east-7"] {
            assert_eq!(text.parse::<FileId>().unwrap().to_string(), text);
        }
        assert_eq!("north-east-7".parse::<FileId>().unwrap().attachment, 7);
        for text in ["", "-", "7", "main", "main-", "-7", "main-07", "main-+7", "main-0", "main-99999999999999999999"] {
            assert!(text.parse::<FileId>().is_err(), "{text}");
        }
    }
}
