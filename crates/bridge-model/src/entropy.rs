//! Randomness as a thing that is passed in.

use rand::{RngCore, SeedableRng};
use rand_chacha::ChaCha12Rng;
use std::fmt::Debug;
use std::sync::{Mutex, PoisonError};

/// Gives random bytes. Keys, tokens, salts and jitter come from here, so that a test can replay a whole run.
pub trait Entropy: Debug + Send + Sync {
    /// Fills `bytes` with random bytes.
    fn fill(&self, bytes: &mut [u8]);

    /// A random text of `2 * bytes` hexadecimal digits.
    fn hex(&self, bytes: usize) -> String {
        let mut buffer = vec![0; bytes];
        self.fill(&mut buffer);
        hex(&buffer)
    }

    /// A random number from 0 (inclusive) to 1 (exclusive), for jitter.
    fn fraction(&self) -> f64 {
        let mut bytes = [0; 4];
        self.fill(&mut bytes);
        f64::from(u32::from_le_bytes(bytes)) / 4_294_967_296.0
    }
}

/// Bytes as hexadecimal digits, two for each.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |half: u8| char::from(if half < 10 { b'0' + half } else { b'a' + half - 10 });
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 0xf)]).collect()
}

/// The operating system's cryptographic randomness, by way of a generator that it seeds.
#[derive(Debug)]
pub struct OsEntropy(Mutex<ChaCha12Rng>);

impl OsEntropy {
    /// A generator seeded by the operating system; the error is the system's own.
    #[expect(clippy::disallowed_methods, reason = "the one place that asks the operating system for randomness")]
    pub fn new() -> Result<Self, getrandom::Error> {
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Self(Mutex::new(ChaCha12Rng::from_seed(seed))))
    }
}

impl Entropy for OsEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

/// Randomness that a seed decides, for tests that must replay.
#[derive(Debug)]
pub struct SeededEntropy(Mutex<ChaCha12Rng>);

impl SeededEntropy {
    /// The generator of this seed.
    pub fn new(seed: u64) -> Self {
        Self(Mutex::new(ChaCha12Rng::seed_from_u64(seed)))
    }
}

impl Entropy for SeededEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).fill_bytes(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_seed_replays_and_the_system_does_not() {
        assert_eq!(SeededEntropy::new(7).hex(16), SeededEntropy::new(7).hex(16));
        assert_ne!(SeededEntropy::new(7).hex(16), SeededEntropy::new(8).hex(16));
        let system = OsEntropy::new().unwrap();
        assert_ne!(system.hex(16), system.hex(16));
        assert!((0.0..1.0).contains(&system.fraction()));
    }
}
