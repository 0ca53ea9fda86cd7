//! Argon2id hashes of passwords, a bounded number at once.

use crate::language::{Message, Reason};
use crate::problem::{Problem, ProblemKind};
use anyhow::anyhow;
use argon2::Argon2;
use argon2::password_hash::{PasswordHash, PasswordHasher, PasswordVerifier, SaltString};
use bridge_model::Entropy;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// The shortest password, in characters.
const CHARS_MIN: usize = 8;

/// The longest password, in characters: far above any real one, far below what would keep a core busy.
const CHARS_MAX: usize = 1_000;

/// How long a check may wait for its turn before its caller is told to come back.
const TURN_WAIT: Duration = Duration::from_secs(10);

/// Makes and checks hashes. Each takes a core and 19 MiB for some milliseconds, away from the threads that serve
/// requests, and only so many run at once.
pub(super) struct Passwords {
    turns: Arc<Semaphore>,
    /// The hash of a password that nobody has: names that do not exist are checked against it and so take as long
    /// as names that do.
    nobody: String,
}

impl Passwords {
    pub(super) fn new(at_once_max: usize, entropy: &dyn Entropy) -> anyhow::Result<Self> {
        let nobody = hash(&entropy.hex(16), &salt(entropy)).map_err(|error| anyhow!("hash a password: {error}"))?;
        Ok(Self { turns: Arc::new(Semaphore::new(at_once_max.max(1))), nobody })
    }

    /// The hash of a new password, if its length is right.
    pub(super) async fn hash(&self, password: String, entropy: &dyn Entropy) -> Result<String, Problem> {
        if !(CHARS_MIN..=CHARS_MAX).contains(&password.chars().count()) {
            return Err(Problem::field("password", Reason::chars(CHARS_MIN, CHARS_MAX)));
        }
        let salt = salt(entropy);
        let (hash, _turn) = work(self.turn().await?, move || hash(&password, &salt)).await?;
        hash.map_err(|error| failed(&error))
    }

    /// Whether the password is the one of the hash; without a hash it never is, and that takes as long to find out.
    /// The turn comes back, so that the caller can count a failure before the next one takes it.
    pub(super) async fn matches(
        &self,
        turn: OwnedSemaphorePermit,
        kept: Option<String>,
        password: String,
    ) -> Result<(bool, OwnedSemaphorePermit), Problem> {
        let exists = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.nobody.clone());
        let verdict = work(turn, move || {
            let kept = PasswordHash::new(&kept)?;
            Argon2::default().verify_password(password.as_bytes(), &kept)
        });
        match verdict.await? {
            (Ok(()), turn) => Ok((exists, turn)),
            (Err(argon2::password_hash::Error::Password), turn) => Ok((false, turn)),
            (Err(error), _) => Err(failed(&error)),
        }
    }

    /// Waits for a turn; `Busy` if too many others do.
    pub(super) async fn turn(&self) -> Result<OwnedSemaphorePermit, Problem> {
        match tokio::time::timeout(TURN_WAIT, Arc::clone(&self.turns).acquire_owned()).await {
            Ok(Ok(turn)) => Ok(turn),
            _ => Err(Problem::new(ProblemKind::Busy, Message::too_many_logins())),
        }
    }
}

impl fmt::Debug for Passwords {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Passwords").finish_non_exhaustive()
    }
}

async fn work<T: Send + 'static>(
    turn: OwnedSemaphorePermit,
    job: impl FnOnce() -> T + Send + 'static,
) -> Result<(T, OwnedSemaphorePermit), Problem> {
    // The turn is held by the work and not by its caller, who may go away before the work is done.
    tokio::task::spawn_blocking(move || (job(), turn))
        .await
        .map_err(|error| Problem::new(ProblemKind::Internal, Message::internal()).caused_by(error))
}

fn salt(entropy: &dyn Entropy) -> String {
    entropy.hex(16)
}

/// The hash of `password` with a salt of hexadecimal digits, which are also valid in the salt's own alphabet.
fn hash(password: &str, salt: &str) -> Result<String, argon2::password_hash::Error> {
    let salt = SaltString::from_b64(salt)?;
    Ok(Argon2::default().hash_password(password.as_bytes(), &salt)?.to_string())
}

fn failed(error: &argon2::password_hash::Error) -> Problem {
    // The library's error is no `std::error::Error` in the features that are used, and has no cause of its own.
    Problem::new(ProblemKind::Internal, Message::password_not_checked()).caused_by(error.to_string())
}
