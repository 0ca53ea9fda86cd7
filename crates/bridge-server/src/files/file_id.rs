//! How a file is named to clients.

use bridge_model::SystemId;
use std::fmt;
use std::str::FromStr;

/// What ids of files begin with that the service itself keeps. They have no hyphen, and all others have one.
const STORED: &str = "file_";

/// How many hexadecimal digits follow it.
const STORED_DIGITS: usize = 32;

/// A file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FileId {
    /// One that a system keeps, written `odoo_main-8812`.
    InErp {
        /// The system.
        system_id: SystemId,
        /// The attachment's number there.
        attachment: i64,
    },
    /// One that the service keeps under this id, written `file_` and 32 hexadecimal digits.
    Stored(String),
}

impl fmt::Display for FileId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::InErp { system_id, attachment } => write!(f, "{system_id}-{attachment}"),
            Self::Stored(id) => write!(f, "{STORED}{id}"),
        }
    }
}

/// It is not of the form.
#[derive(Debug, thiserror::Error)]
#[error("a file's id is that of its system, a hyphen and a number, or {STORED} with {STORED_DIGITS} digits")]
pub struct NoFileId;

impl FromStr for FileId {
    type Err = NoFileId;

    fn from_str(text: &str) -> Result<Self, NoFileId> {
        if let Some(id) = text.strip_prefix(STORED)
            && id.len() == STORED_DIGITS
            && id.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        {
            return Ok(Self::Stored(id.to_owned()));
        }
        // A system's id may have hyphens of its own.
        let (system_id, number) = text.rsplit_once('-').ok_or(NoFileId)?;
        let system_id = SystemId::parse(system_id).map_err(|_| NoFileId)?;
        let is_number = number.bytes().all(|byte| byte.is_ascii_digit()) && !number.starts_with('0');
        let attachment = number.parse().ok().filter(|_| is_number).ok_or(NoFileId)?;
        Ok(Self::InErp { system_id, attachment })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_named_by_its_system_and_number_or_by_an_id_of_ours() {
        let stored = format!("file_{}", "0a".repeat(16));
        for text in ["odoo_main-8812", "north-east-7", "file_7-7", &stored] {
            assert_eq!(text.parse::<FileId>().unwrap().to_string(), text);
        }
        let FileId::InErp { attachment, .. } = "north-east-7".parse().unwrap() else { panic!("not in an ERP") };
        assert_eq!(attachment, 7);
        assert_eq!(stored.parse::<FileId>().unwrap(), FileId::Stored("0a".repeat(16)));
        let wrong = ["file_../../0123456789012345678901234", "file_0A", &stored[..30], &format!("{stored}0")];
        let none = ["", "-", "7", "main", "main-", "-7", "main-07", "main-+7", "main-0", "main-99999999999999999999"];
        for text in wrong.into_iter().chain(none) {
            assert!(text.parse::<FileId>().is_err(), "{text}");
        }
    }
}
