//! Signatures of S3 requests, version 4, as the service's documentation describes them.
//!
//! Only what our requests need: paths whose characters all stand for themselves, and no query.

use bridge_model::Timestamp;
use bridge_model::entropy::hex;
use hmac::{Hmac, Mac as _};
use sha2::{Digest as _, Sha256};
use std::fmt;

/// The hash of a request without a body.
pub(super) const NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// Who signs, and for where.
#[derive(Clone)]
pub(super) struct Signer {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) region: String,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Signer").field("region", &self.region).finish_non_exhaustive()
    }
}

/// A request as far as it is signed.
#[derive(Debug)]
pub(super) struct Unsigned<'a> {
    pub(super) method: &'a str,
    pub(super) host: &'a str,
    pub(super) path: &'a str,
    /// The SHA-256 of its body, in hexadecimal.
    pub(super) body_sha256: &'a str,
    /// Further headers that are signed, with names in small letters.
    pub(super) headers: &'a [(&'a str, &'a str)],
}

impl Signer {
    /// The headers that make a request a signed one, but for `host` and those that it has anyway.
    pub(super) fn sign(&self, request: &Unsigned<'_>, now: Timestamp) -> [(&'static str, String); 3] {
        let time = basic_form(now);
        let day = time.get(..8).unwrap_or_default();
        let mut headers = request.headers.to_vec();
        headers.extend([
            ("host", request.host),
            ("x-amz-content-sha256", request.body_sha256),
            ("x-amz-date", time.as_str()),
        ]);
        headers.sort_unstable();
        let names = headers.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(";");
        let lines: Vec<_> = headers.iter().map(|(name, value)| format!("{name}:{}", value.trim())).collect();
        let lines = lines.join("\n");
        let canonical = format!("{}\n{}\n\n{lines}\n\n{names}\n{}", request.method, request.path, request.body_sha256);
        let scope = format!("{day}/{}/s3/aws4_request", self.region);
        let to_sign = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", hex(&Sha256::digest(canonical)));
        let mut key = keyed(format!("AWS4{}", self.secret_access_key).as_bytes(), day);
        for part in [self.region.as_str(), "s3", "aws4_request"] {
            key = keyed(&key, part);
        }
        let signature = hex(&keyed(&key, &to_sign));
        let authorization = format!(
            "AWS4-HMAC-SHA256 Credential={}/{scope},SignedHeaders={names},Signature={signature}",
            self.access_key_id
        );
        let sha256 = request.body_sha256.to_owned();
        [("authorization", authorization), ("x-amz-content-sha256", sha256), ("x-amz-date", time)]
    }
}

/// `20130524T000000Z`.
fn basic_form(time: Timestamp) -> String {
    time.whole_seconds().to_string().replace(['-', ':'], "")
}

fn keyed(key: &[u8], text: &str) -> Vec<u8> {
    // A key of any length will do.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return Vec::new() };
    mac.update(text.as_bytes());
    mac.finalize().into_bytes().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The key of the examples in the service's documentation, which is nobody's.
    fn example() -> Signer {
        Signer {
            access_key_id: "AKIAIOSFODNN7EXAMPLE".to_owned(),
            secret_access_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".to_owned(),
            region: "us-east-1".to_owned(),
        }
    }

    fn signature(method: &str, path: &str, body: &str, headers: &[(&str, &str)]) -> String {
        let now = Timestamp::parse_rfc3339("2013-05-24T00:00:00Z").unwrap();
        let body_sha256 = hex(&Sha256::digest(body));
        let host = "examplebucket.s3.amazonaws.com";
        let request = Unsigned { method, host, path, body_sha256: &body_sha256, headers };
        let [(_, authorization), _, _] = example().sign(&request, now);
        authorization.rsplit_once("Signature=").unwrap().1.to_owned()
    }

    #[test]
    fn signatures_are_those_of_the_documentation() {
        assert_eq!(
            signature("GET", "/test.txt", "", &[("range", "bytes=0-9")]),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let headers = [("date", "Fri, 24 May 2013 00:00:00 GMT"), ("x-amz-storage-class", "REDUCED_REDUNDANCY")];
        assert_eq!(
            signature("PUT", "/test%24file.text", "Welcome to Amazon S3.", &headers),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(hex(&Sha256::digest("")), NOTHING);
    }

    #[test]
    fn secrets_are_not_printed() {
        let shown = format!("{:?}", example());
        assert!(!shown.contains("EXAMPLE"), "{shown}");
    }
}
