//! What goes wrong while the writers write.

use rand::Rng as _;
use rand_chacha::ChaCha8Rng;

/// A fault of a round.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault {
    Nothing,
    /// The service is killed and started again.
    KillService,
    /// Its connections to the ERP's database are cut, several times.
    CutConnections,
    /// A process of the database is killed, which makes the server end all others and recover from its log.
    CrashDatabase,
}

impl Fault {
    pub(super) fn of(random: &mut ChaCha8Rng, may_crash: bool) -> Self {
        match random.random_range(0..10) {
            0..4 => Self::Nothing,
            4..7 => Self::KillService,
            7 if may_crash => Self::CrashDatabase,
            _ => Self::CutConnections,
        }
    }
}
