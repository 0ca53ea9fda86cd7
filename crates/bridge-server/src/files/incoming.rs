//! A file on its way in: encoded for the system or written to a disk, hashed and judged while it arrives.

use super::storage::{Spool, Storages};
use crate::config;
use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bridge_model::entropy::hex;
use sha1::Sha1;
use sha2::{Digest as _, Sha256};

/// How much of the beginning tells the type of a file, in bytes.
const HEAD_BYTES: usize = 8 * 1024;

/// The longest name of a file, in bytes; file systems have the same bound.
pub const NAME_BYTES_MAX: usize = 255;

/// A file of which some has arrived.
#[derive(Debug)]
pub struct Incoming {
    size: usize,
    head: Vec<u8>,
    sha256: Sha256,
    has_nul: bool,
    contents: Arriving,
}

/// What has arrived of its contents.
#[derive(Debug)]
enum Arriving {
    /// For an ERP, in memory.
    Encoded(Encoded),
    /// For a place of our own.
    Spooled(Spool),
}

/// Contents as an ERP takes them.
#[derive(Debug, Default)]
struct Encoded {
    /// What is too short to be encoded by itself: up to two bytes.
    rest: Vec<u8>,
    datas: String,
    sha1: Sha1,
}

/// A file that has arrived.
#[derive(Debug)]
pub(super) struct Arrived {
    pub(super) name: String,
    pub(super) content_type: String,
    pub(super) size: usize,
    pub(super) sha256: String,
    pub(super) contents: Contents,
}

/// Its contents.
#[derive(Debug)]
pub(super) enum Contents {
    /// In Base64, with the SHA-1 by which an ERP knows them.
    Encoded { datas: String, sha1: String },
    /// On a disk.
    Spooled(Spool),
}

impl Incoming {
    /// Nothing has arrived yet of a file that goes where new files go.
    pub async fn begin(storages: &Storages) -> Result<Self, Problem> {
        let contents = match storages.of_new_files() {
            None => Arriving::Encoded(Encoded::default()),
            Some(place) => Arriving::Spooled(storages.spool(place).await?),
        };
        Ok(Self { size: 0, head: Vec::new(), sha256: Sha256::new(), has_nul: false, contents })
    }

    /// Takes the next piece; `PayloadTooLarge` if there is more than `files.bytes_max`.
    pub async fn push(&mut self, piece: &[u8], config: &config::Files) -> Result<(), Problem> {
        self.size = self.size.saturating_add(piece.len());
        if self.size > config.bytes_max {
            return Err(too_large(config));
        }
        self.sha256.update(piece);
        self.has_nul |= piece.contains(&0);
        let wanted = HEAD_BYTES.saturating_sub(self.head.len()).min(piece.len());
        self.head.extend_from_slice(&piece[..wanted]);
        match &mut self.contents {
            Arriving::Encoded(encoded) => encoded.push(piece),
            Arriving::Spooled(spool) => spool.write(piece).await?,
        }
        Ok(())
    }

    /// The whole file, with the name and the type that its sender gives it; `UnsupportedMediaType` if such files are not
    /// taken.
    pub(super) fn end(self, name: &str, declared: Option<&str>, config: &config::Files) -> Result<Arrived, Problem> {
        let name = plain_name(name)?;
        if self.size == 0 {
            return Err(Problem::field("file", Reason::not_empty()));
        }
        let content_type = self.content_type(declared);
        if !config.types.iter().any(|pattern| fits(pattern, &content_type)) {
            return Err(Problem::new(
                ProblemKind::UnsupportedMediaType,
                Message::file_type_not_taken(content_type.as_str()),
            )
            .with("content_type", content_type)
            .with("types", config.types.clone()));
        }
        let contents = match self.contents {
            Arriving::Encoded(encoded) => encoded.end(),
            Arriving::Spooled(spool) => Contents::Spooled(spool),
        };
        Ok(Arrived { name, content_type, size: self.size, sha256: hex(&self.sha256.finalize()), contents })
    }

    /// The type by the contents. Where they don't tell it, a text may be what its sender says that it is; anything else
    /// may not, or a script would pass as a picture.
    fn content_type(&self, declared: Option<&str>) -> String {
        if let Some(kind) = infer::get(&self.head) {
            return kind.mime_type().to_owned();
        }
        if self.has_nul {
            return "application/octet-stream".to_owned();
        }
        let declared = declared.and_then(|declared| declared.split(';').next()).unwrap_or_default();
        let declared = declared.trim().to_ascii_lowercase();
        let is_text = declared.starts_with("text/") || declared == "application/json" || declared == "application/xml";
        if is_text { declared } else { "text/plain".to_owned() }
    }
}

impl Encoded {
    fn push(&mut self, piece: &[u8]) {
        self.sha1.update(piece);
        // Three bytes make four characters; what is left over waits for the next piece.
        let wanted = if self.rest.is_empty() { 0 } else { (3 - self.rest.len()).min(piece.len()) };
        let (first, piece) = piece.split_at(wanted);
        self.rest.extend_from_slice(first);
        if self.rest.len() == 3 {
            STANDARD.encode_string(&self.rest, &mut self.datas);
            self.rest.clear();
        }
        let (whole, last) = piece.split_at(piece.len() - piece.len() % 3);
        STANDARD.encode_string(whole, &mut self.datas);
        self.rest.extend_from_slice(last);
    }

    fn end(mut self) -> Contents {
        STANDARD.encode_string(&self.rest, &mut self.datas);
        Contents::Encoded { datas: self.datas, sha1: hex(&self.sha1.finalize()) }
    }
}

/// What a file that is too large is answered with.
pub fn too_large(config: &config::Files) -> Problem {
    let bytes_max = config.bytes_max;
    Problem::new(ProblemKind::PayloadTooLarge, Message::file_too_large()).with("bytes_max", bytes_max)
}

fn fits(pattern: &str, content_type: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => content_type.starts_with(beginning),
        None => content_type == pattern,
    }
}

/// The name without a path: some browsers send the whole one.
fn plain_name(name: &str) -> Result<String, Problem> {
    let name = name.rsplit(['/', '\\']).next().unwrap_or_default().trim();
    let is_plain = !name.is_empty() && name.len() <= NAME_BYTES_MAX && !name.chars().any(char::is_control);
    if is_plain { Ok(name.to_owned()) } else { Err(Problem::field("file", Reason::file_name(NAME_BYTES_MAX))) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use bridge_model::Clock;
    use bridge_model::clock::SystemClock;
    use proptest::prelude::*;
    use std::sync::Arc;

    fn arrived(pieces: &[&[u8]], name: &str, declared: Option<&str>) -> Result<Arrived, Problem> {
        let config = config::Files::default();
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let storages = Storages::open(&config, &clock).unwrap();
        let arriving = async {
            let mut incoming = Incoming::begin(&storages).await?;
            for piece in pieces {
                incoming.push(piece, &config).await?;
            }
            incoming.end(name, declared, &config)
        };
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(arriving)
    }

    proptest! {
        #[test]
        fn however_a_file_is_cut_it_arrives_whole(pieces in prop::collection::vec(prop::collection::vec(1u8.., 0..9), 1..9)) {
            let whole = pieces.concat();
            prop_assume!(!whole.is_empty() && infer::get(&whole).is_none());
            let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
            let file = arrived(&pieces, "a", None).unwrap();
            let Contents::Encoded { datas, sha1 } = file.contents else { panic!("not for an ERP") };
            prop_assert_eq!(STANDARD.decode(&datas).unwrap(), whole.clone());
            prop_assert_eq!(file.size, whole.len());
            prop_assert_eq!(file.sha256, format!("{:x}", Sha256::digest(&whole)));
            prop_assert_eq!(sha1, format!("{:x}", Sha1::digest(&whole)));
        }
    }

    #[test]
    fn the_contents_tell_the_type_before_the_sender_does() {
        const PNG: &[u8] = b"\x89PNG\r\n\x1a\n0000IHDR";
        let script = b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>";
        for (contents, declared, expected) in [
            (PNG, Some("text/plain"), Ok("image/png")),
            (b"a;b\n1;2\n", Some("text/csv; charset=utf-8"), Ok("text/csv")),
            (b"{}", Some("application/json"), Ok("application/json")),
            (b"plain", None, Ok("text/plain")),
            // What is no picture is none because somebody says so.
            (b"no picture", Some("image/gif"), Ok("text/plain")),
            (script, Some("image/svg+xml"), Ok("text/plain")),
            (b"<!DOCTYPE html><script></script>", Some("text/plain"), Err("text/html")),
            (b"MZ\x90\0\x03\0\0\0", Some("image/png"), Err("application/vnd.microsoft.portable-executable")),
            (b"\0\x01\x02", Some("image/png"), Err("application/octet-stream")),
            (b"var a", Some("text/javascript"), Err("text/javascript")),
        ] {
            let found = arrived(&[contents], "a", declared).map(|file| file.content_type).map_err(|problem| {
                assert_eq!(problem.kind, ProblemKind::UnsupportedMediaType);
                problem.details["content_type"].as_str().unwrap().to_owned()
            });
            assert_eq!(found, expected.map(str::to_owned).map_err(str::to_owned), "{declared:?}");
        }
    }

    #[test]
    fn a_name_has_no_path_and_a_file_has_contents() {
        for (given, expected) in [("a.txt", "a.txt"), ("C:\\files\\b.txt", "b.txt"), ("../../etc/passwd", "passwd")] {
            assert_eq!(arrived(&[b"x"], given, None).unwrap().name, expected);
        }
        for given in ["", "/", "a\nb", &"x".repeat(256)] {
            assert_eq!(arrived(&[b"x"], given, None).unwrap_err().kind, ProblemKind::Invalid, "{given}");
        }
        assert_eq!(arrived(&[b""], "a", None).unwrap_err().kind, ProblemKind::Invalid);
    }
}
