//! Login sessions: what makes a token revocable, and by which a stolen refresh token is noticed.

use crate::db::{Row, Statement, params};
use crate::{Store, StoreError};
use bridge_model::{TenantId, Timestamp, UserId};
use std::fmt;

/// A login session. `Debug` leaves the hashes out.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Its random id.
    pub id: String,
    /// The tenant.
    pub tenant: TenantId,
    /// Who logged in.
    pub user: UserId,
    /// When.
    pub created_at: Timestamp,
    /// When the refresh token runs out.
    pub expires_at: Timestamp,
    /// When it was revoked, if it was.
    pub revoked_at: Option<Timestamp>,
    /// The hash of the refresh token that is valid.
    pub refresh_hash: String,
    /// The hash of the one before it; whoever still uses that one may have stolen it.
    pub previous_hash: Option<String>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("id", &self.id)
            .field("tenant", &self.tenant)
            .field("user", &self.user)
            .field("expires_at", &self.expires_at)
            .field("revoked_at", &self.revoked_at)
            .finish_non_exhaustive()
    }
}

impl Store {
    /// Keeps a new session; `NotFound` if the tenant has no such user, `Conflict` if the id is taken.
    pub async fn create_session(&self, session: &Session) -> Result<(), StoreError> {
        let kept = self
            .changed(Statement::new(
                "INSERT INTO sessions
                    (id, tenant_id, user_id, created_at, expires_at, revoked_at, refresh_hash, previous_hash)
                 SELECT ?1, tenant_id, id, ?4, ?5, ?6, ?7, ?8 FROM users WHERE tenant_id = ?2 AND id = ?3",
                params![
                    session.id.as_str(),
                    session.tenant.0,
                    session.user.0,
                    session.created_at,
                    session.expires_at,
                    session.revoked_at,
                    session.refresh_hash.as_str(),
                    session.previous_hash.clone(),
                ],
            ))
            .await?;
        if kept { Ok(()) } else { Err(StoreError::NotFound) }
    }

    /// The session with this id, also one that ran out or was revoked.
    pub async fn session(&self, id: &str) -> Result<Option<Session>, StoreError> {
        let sql = "SELECT id, tenant_id, user_id, created_at, expires_at, revoked_at, refresh_hash, previous_hash
             FROM sessions WHERE id = ?1";
        self.row(Statement::new(sql, params![id]), session).await
    }

    /// Replaces the refresh token; `false` if the valid one is not `expected_hash` (somebody was faster, or it is
    /// an old one), or the session ran out or was revoked.
    pub async fn rotate_session(
        &self,
        id: &str,
        expected_hash: &str,
        new_hash: &str,
        expires_at: Timestamp,
    ) -> Result<bool, StoreError> {
        self.changed(Statement::new(
            "UPDATE sessions SET previous_hash = refresh_hash, refresh_hash = ?3, expires_at = ?4
             WHERE id = ?1 AND refresh_hash = ?2 AND revoked_at IS NULL AND expires_at > ?5",
            params![id, expected_hash, new_hash, expires_at, self.now()],
        ))
        .await
    }

    /// Revokes a session; one that is revoked already keeps its time.
    pub async fn revoke_session(&self, id: &str) -> Result<(), StoreError> {
        self.changed(Statement::new(
            "UPDATE sessions SET revoked_at = ?2 WHERE id = ?1 AND revoked_at IS NULL",
            params![id, self.now()],
        ))
        .await?;
        Ok(())
    }

    /// Revokes every session of a user.
    pub async fn revoke_user_sessions(&self, tenant: TenantId, user: UserId) -> Result<(), StoreError> {
        self.changed(Statement::new(
            "UPDATE sessions SET revoked_at = ?3 WHERE tenant_id = ?1 AND user_id = ?2 AND revoked_at IS NULL",
            params![tenant.0, user.0, self.now()],
        ))
        .await?;
        Ok(())
    }

    /// Forgets sessions that ran out before this time, in transactions of at most `batch` rows; answers how many.
    pub async fn purge_sessions(&self, expired_before: Timestamp, batch: u32) -> Result<u64, StoreError> {
        self.purge(
            "DELETE FROM sessions WHERE id IN
                (SELECT id FROM sessions WHERE expires_at < ?1 ORDER BY expires_at LIMIT ?2)",
            expired_before,
            batch,
        )
        .await
    }
}

fn session(row: &Row) -> Result<Session, StoreError> {
    Ok(Session {
        id: row.get_text(0)?,
        tenant: TenantId(row.get_i64(1)?),
        user: UserId(row.get_i64(2)?),
        created_at: row.get_time(3)?,
        expires_at: row.get_time(4)?,
        revoked_at: row.get_opt_time(5)?,
        refresh_hash: row.get_text(6)?,
        previous_hash: row.get_opt_text(7)?,
    })
}
