//! What goes wrong while the writers write.

use super::{Path, Reaches};
use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// A fault of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    /// The service is killed and started again.
    KillService,
    /// The network between it and the ERP falls silent, is cut, and comes back.
    CutNetwork,
    /// Its connections to the ERP's database are ended by the server, several times.
    EndConnections,
    /// A process of the database is killed, which makes the server end all others and recover from its log.
    CrashDatabase,
    /// Somebody drops the slot through which the log is read.
    LoseSlot,
    /// The ERP's database is put back to a dump from the middle of the round.
    Restore {
        /// Whether the service had read everything before. If not, what it had not read is lost with the database.
        caught_up: bool,
        /// Whether it is killed meanwhile.
        kills: bool,
    },
}

impl Fault {
    pub(super) fn of(random: &mut ChaCha8Rng, path: &Path, may_crash: bool) -> Self {
        let (caught_up, kills) = (random.random_bool(0.5), random.random_bool(0.3));
        match random.random_range(0..20) {
            0..5 => Self::Nothing,
            5..9 => Self::KillService,
            9..12 if path.reaches == Reaches::Database => Self::EndConnections,
            12 if may_crash => Self::CrashDatabase,
            13 | 14 if path.can_lose_slot => Self::LoseSlot,
            15..18 if path.sees_restores => Self::Restore { caught_up, kills },
            _ => Self::CutNetwork,
        }
    }
}
