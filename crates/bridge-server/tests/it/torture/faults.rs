//! What goes wrong while the writers write.

use super::{Asked, Path, Reaches};
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
    /// A process of the ERP's database, or of the service's own, is killed, which makes the server end all others and
    /// recover from its log.
    CrashDatabase {
        /// Whether it is the service's own.
        of_store: bool,
    },
    /// The server of the ERP's database is killed as a whole and started again.
    KillServer,
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
    pub(super) fn of(random: &mut ChaCha8Rng, path: &Path, asked: &Asked) -> Self {
        let (caught_up, kills) = (random.random_bool(0.5), random.random_bool(0.3));
        match random.random_range(0..20) {
            0..4 => Self::Nothing,
            4..8 => Self::KillService,
            8..10 if path.reaches == Reaches::Database => Self::EndConnections,
            10 if asked.may_crash => Self::CrashDatabase { of_store: true },
            11 if asked.erp_server.is_some() => Self::CrashDatabase { of_store: false },
            12 | 19 if asked.erp_server.is_some() => Self::KillServer,
            13 | 14 if path.can_lose_slot => Self::LoseSlot,
            15..=17 if path.sees_restores => Self::Restore { caught_up, kills },
            _ => Self::CutNetwork,
        }
    }
}
