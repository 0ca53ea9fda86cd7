//! Secrets at rest: Fernet, with a list of keys so that keys can be exchanged without losing anything.

use crate::StoreError;
use bridge_model::Timestamp;
use fernet::Fernet;
use std::fmt;

/// Encrypts with the first key and decrypts with whichever fits. `Debug` tells how many keys there are.
#[derive(Clone)]
pub(crate) struct Crypt {
    keys: Vec<Fernet>,
}

impl fmt::Debug for Crypt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Crypt").field("keys", &self.keys.len()).finish()
    }
}

impl Crypt {
    /// Takes the keys as the config has them: 32 bytes each, in URL-safe base64.
    pub(crate) fn new(keys: &[String]) -> Result<Self, StoreError> {
        if keys.is_empty() {
            return Err(StoreError::Encryption { what: "at least one key is needed".to_owned() });
        }
        let parse = |(index, key): (usize, &String)| {
            Fernet::new(key.trim()).ok_or_else(|| StoreError::Encryption {
                what: format!("key number {} is not 32 bytes in URL-safe base64", index + 1),
            })
        };
        Ok(Self { keys: keys.iter().enumerate().map(parse).collect::<Result<_, _>>()? })
    }

    /// The Fernet token of `secret`. Its random part comes from the operating system by the library's own way, on
    /// purpose not from the entropy that a test may replay: it must never repeat.
    pub(crate) fn encrypt(&self, secret: &str, now: Timestamp) -> String {
        let seconds = u64::try_from(now.as_micros() / 1_000_000).unwrap_or(0);
        // `new` lets no empty list in.
        self.keys.first().map_or_else(String::new, |key| key.encrypt_at_time(secret.as_bytes(), seconds))
    }

    /// The secret of a token that one of the keys has made.
    pub(crate) fn decrypt(&self, token: &str) -> Result<String, StoreError> {
        // Far in the future: a secret at rest does not age, and a token made before the machine's clock was set
        // back must not be refused as coming from the future.
        let seconds = u64::from(u32::MAX) * 1_000;
        let secret = self.keys.iter().find_map(|key| key.decrypt_at_time(token, None, seconds).ok());
        let secret = secret.ok_or_else(|| StoreError::Encryption {
            what: format!("none of the {} configured keys decrypts it", self.keys.len()),
        })?;
        String::from_utf8(secret).map_err(|_| StoreError::Encryption { what: "the secret is not text".to_owned() })
    }

    /// Whether the first key, which encrypts, has made this token.
    pub(crate) fn is_current(&self, token: &str) -> bool {
        let newest = Self { keys: self.keys.iter().take(1).cloned().collect() };
        newest.decrypt(token).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    const NEW: &str = "ZmVkY2JhOTg3NjU0MzIxMGZlZGNiYTk4NzY1NDMyMTA=";

    fn crypt(keys: &[&str]) -> Crypt {
        Crypt::new(&keys.iter().map(|key| (*key).to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn the_first_key_encrypts_and_every_key_decrypts() {
        let now = Timestamp::from_micros(1_700_000_000_000_000);
        let token = crypt(&[OLD]).encrypt("hunter2", now);
        assert!(!token.contains("hunter2"));
        let both = crypt(&[NEW, OLD]);
        assert_eq!(both.decrypt(&token).unwrap(), "hunter2");
        assert!(!both.is_current(&token));
        let renewed = both.encrypt("hunter2", now);
        assert!(both.is_current(&renewed));
        assert_eq!(crypt(&[NEW]).decrypt(&renewed).unwrap(), "hunter2");
        assert!(matches!(crypt(&[OLD]).decrypt(&renewed), Err(StoreError::Encryption { .. })));
        assert_ne!(renewed, both.encrypt("hunter2", now), "two tokens of one secret must not be alike");
    }

    #[test]
    fn a_token_of_another_program_is_read_whatever_the_clock_says() {
        // The example of the Fernet specification, and the same key's token from the year 2100.
        let key = "cw_0x689RpI-jtRR7oE8h_eQsKImvJapLeSbXpwF4e4=";
        let token =
            "gAAAAAAdwJ6wAAECAwQFBgcICQoLDA0ODy021cpGVWKZ_eEwCGM4BLLF_5CV9dOPmrhuVUPgJobwOz7JcbmrR64jVmpU4IwqDA==";
        assert_eq!(crypt(&[key]).decrypt(token).unwrap(), "hello");
        let later = crypt(&[key]).encrypt("hello", Timestamp::from_micros(4_102_444_800_000_000));
        assert_eq!(crypt(&[key]).decrypt(&later).unwrap(), "hello");
    }

    #[test]
    fn a_bad_key_is_named_by_its_place_and_not_shown() {
        let error = Crypt::new(&[OLD.to_owned(), "correct horse".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("key number 2") && !error.contains("horse"), "{error}");
        assert!(Crypt::new(&[]).is_err());
        assert!(!format!("{:?}", crypt(&[OLD])).contains("MDEy"));
    }
}
