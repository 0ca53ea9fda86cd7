//! What an S3 service says when it refuses, and what it means when it says nothing.

use super::super::StorageError;
use reqwest::{Response, StatusCode};
use std::io;
use std::time::Duration;

/// The most that is read of what it says, in bytes.
const TEXT_BYTES_MAX: usize = 16 * 1024;

/// Why a request was not done.
#[derive(Debug, thiserror::Error)]
pub(super) enum Failure {
    #[error("no answer in time")]
    Late,
    #[error("the connection was not made, or cut")]
    Connection(#[source] reqwest::Error),
    #[error("the bucket's service refused: {status} {code}: {message}")]
    Refused {
        status: StatusCode,
        /// `AccessDenied`, `NoSuchBucket`, …; empty if it did not say.
        code: String,
        message: String,
    },
}

impl Failure {
    pub(super) fn late() -> Self {
        Self::Late
    }

    pub(super) fn of_connection(error: reqwest::Error) -> Self {
        Self::Connection(error.without_url())
    }

    /// What an answer that is no success says, as far as it is told in time.
    pub(super) async fn told(mut response: Response, time_max: Duration) -> Self {
        let (status, mut text) = (response.status(), Vec::new());
        let read = async {
            while let Ok(Some(piece)) = response.chunk().await {
                let room = TEXT_BYTES_MAX - text.len();
                text.extend_from_slice(&piece[..piece.len().min(room)]);
                if text.len() == TEXT_BYTES_MAX {
                    break;
                }
            }
        };
        let _ = tokio::time::timeout(time_max, read).await;
        let text = String::from_utf8_lossy(&text);
        let (code, message) = (element(&text, "Code").to_owned(), element(&text, "Message").to_owned());
        Self::Refused { status, code, message }
    }

    /// Whether it was refused with this code.
    pub(super) fn says(&self, wanted: &str) -> bool {
        matches!(self, Self::Refused { code, .. } if code == wanted)
    }

    /// Whether the same request may be done if it is sent again at once.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Self::Connection(_) => true,
            Self::Refused { status, .. } => status.is_server_error(),
            Self::Late => false,
        }
    }

    /// That the bucket can't be used now. What has to be mended, such as a wrong key, stands in the log.
    pub(super) fn away(self, what: &'static str) -> StorageError {
        StorageError::Away { what, source: io::Error::other(self) }
    }
}

/// What stands in the first element of this name. An answer in another form has none.
fn element<'a>(xml: &'a str, name: &str) -> &'a str {
    let after = xml.split_once(&format!("<{name}>")).map_or("", |(_, after)| after);
    after.split_once(&format!("</{name}>")).map_or("", |(inside, _)| inside)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_code_of_a_refusal_is_found() {
        let xml = "<?xml version=\"1.0\"?><Error><Code>NoSuchKey</Code><Message>Nothing there</Message></Error>";
        assert_eq!((element(xml, "Code"), element(xml, "Message")), ("NoSuchKey", "Nothing there"));
        for other in ["", "<Code>cut", "<html>Bad gateway</html>"] {
            assert_eq!(element(other, "Code"), "");
        }
    }
}
