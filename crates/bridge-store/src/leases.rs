//! Leases: who leads what, for how long, and the token by which the store refuses one who led before.

use crate::db::{Statement, params};
use crate::{Store, StoreError};
use bridge_model::Timestamp;
use std::time::Duration;

/// The right to do something alone until it runs out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Lease {
    /// What it is about.
    pub name: String,
    /// Who holds it; unique per process.
    pub holder: String,
    /// Grows with each new holder and is never given twice for one name.
    pub token: i64,
    /// When it runs out, by the store's clock.
    pub expires_at: Timestamp,
}

/// A lease's proof, sent along with a write: the write is refused once somebody else may hold the lease.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fence {
    /// The lease's name.
    pub name: String,
    /// Its token.
    pub token: i64,
}

impl Lease {
    /// The proof to send along with writes.
    pub fn fence(&self) -> Fence {
        Fence { name: self.name.clone(), token: self.token }
    }
}

impl Store {
    /// Takes a lease for `ttl`; `None` while another holder has it.
    ///
    /// The holder who has it already keeps the token and gets more time. After a lease ran out or was released
    /// even the same holder gets a new token, so that what it began before is fenced off.
    pub async fn acquire_lease(&self, name: &str, holder: &str, ttl: Duration) -> Result<Option<Lease>, StoreError> {
        let now = self.now();
        let expires_at = now.plus(ttl);
        let statement = Statement::new(
            "INSERT INTO leases (name, holder, token, expires_at) VALUES (?1, ?2, 1, ?3)
             ON CONFLICT (name) DO UPDATE SET
                token = leases.token
                    + CASE WHEN leases.holder = excluded.holder AND leases.expires_at > ?4 THEN 0 ELSE 1 END,
                holder = excluded.holder,
                expires_at = excluded.expires_at
             WHERE leases.holder = excluded.holder OR leases.expires_at <= ?4
             RETURNING token",
            params![name, holder, expires_at, now],
        );
        let token = self.returned(vec![statement], |row| row.get_i64(0)).await?;
        Ok(token.map(|token| Lease { name: name.to_owned(), holder: holder.to_owned(), token, expires_at }))
    }

    /// Gives a lease `ttl` more from now on; `false` if it ran out or somebody else has it.
    pub async fn renew_lease(&self, lease: &mut Lease, ttl: Duration) -> Result<bool, StoreError> {
        let now = self.now();
        let expires_at = now.plus(ttl);
        let renewed = self
            .changed(Statement::new(
                "UPDATE leases SET expires_at = ?3 WHERE name = ?1 AND token = ?2 AND expires_at > ?4",
                params![lease.name.as_str(), lease.token, expires_at, now],
            ))
            .await?;
        if renewed {
            lease.expires_at = expires_at;
        }
        Ok(renewed)
    }

    /// Gives a lease back before its time; one that is already lost is nobody's concern.
    pub async fn release_lease(&self, lease: &Lease) -> Result<(), StoreError> {
        self.changed(Statement::new(
            // The row stays, so that the next token is higher. No holder bears the empty name.
            "UPDATE leases SET holder = '', expires_at = ?3 WHERE name = ?1 AND token = ?2",
            params![lease.name.as_str(), lease.token, self.now()],
        ))
        .await?;
        Ok(())
    }
}

/// The statement that changes one row if the fence holds at `now`, and none otherwise. It writes (the same value)
/// so that on both databases the row stays locked and the lease stays as it is until the transaction ends.
pub(crate) fn check_fence(fence: &Fence, now: Timestamp) -> Statement {
    Statement::new(
        "UPDATE leases SET token = token WHERE name = ?1 AND token = ?2 AND expires_at > ?3",
        params![fence.name.as_str(), fence.token, now],
    )
}
