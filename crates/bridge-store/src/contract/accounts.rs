//! Tenants, users and login sessions.

use super::{Bed, contract};
use crate::{NewUser, Role, Session, Store, StoreError, Tenant, User};
use bridge_model::{Clock as _, TenantId, UserId};
use std::time::Duration;

contract! {
    tenants_are_kept,
    users_are_kept_within_their_tenant,
    a_link_keeps_the_system_that_was_primary,
    a_username_is_unique_over_all_tenants,
    a_deleted_user_takes_cursors_and_sessions_along,
    the_first_admin_is_made_once,
    the_first_admin_gets_a_tenant_of_its_own,
    a_session_is_rotated_by_who_has_the_valid_token,
    a_session_needs_a_user_of_its_tenant,
    a_revoked_session_stays_revoked,
    sessions_are_purged_in_batches,
    debug_shows_no_secret,
}

pub(super) fn new_user(name: &str) -> NewUser {
    NewUser {
        username: name.to_owned(),
        password_hash: format!("hash-of-{name}"),
        role: Role::User,
        odoo_user_id: Some(7),
        language: Some("ar".to_owned()),
    }
}

/// A tenant with one user, for tests of what users have.
pub(super) async fn tenant_with_user(store: &Store, name: &str) -> (TenantId, User) {
    let tenant = store.create_tenant(name, "enterprise").await.unwrap();
    let user = store.create_user(tenant.id, new_user(name)).await.unwrap();
    (tenant.id, user)
}

fn session(user: &User, id: &str, bed: &Bed) -> Session {
    Session {
        id: id.to_owned(),
        tenant: user.tenant,
        user: user.id,
        created_at: bed.clock.now(),
        expires_at: bed.clock.now().plus(Duration::from_hours(1)),
        revoked_at: None,
        refresh_hash: "first".to_owned(),
        previous_hash: None,
    }
}

async fn tenants_are_kept(bed: Bed) {
    let store = &bed.open().await;
    let one = store.create_tenant("One", "free").await.unwrap();
    let two = store.create_tenant("One", "premium").await.unwrap();
    assert_ne!(one.id, two.id);
    assert_eq!(store.tenant(one.id).await.unwrap(), Some(one.clone()));
    assert_eq!(store.tenant(TenantId(999)).await.unwrap(), None);
    assert_eq!(store.tenants().await.unwrap(), vec![one.clone(), two.clone()]);
    store.set_tenant_plan(one.id, "premium").await.unwrap();
    assert!(matches!(store.set_tenant_plan(TenantId(999), "free").await, Err(StoreError::NotFound)));
    assert_eq!(store.tenants().await.unwrap(), vec![Tenant { plan: "premium".to_owned(), ..one }, two]);
}

async fn users_are_kept_within_their_tenant(bed: Bed) {
    let store = &bed.open().await;
    assert!(!store.any_user().await.unwrap());
    let (tenant, ada) = tenant_with_user(store, "ada").await;
    let (other, _) = tenant_with_user(store, "eve").await;
    assert!(store.any_user().await.unwrap());
    assert_eq!(store.user(tenant, ada.id).await.unwrap(), Some(ada.clone()));
    assert_eq!(store.user_by_name("ada").await.unwrap(), Some(ada.clone()));
    assert_eq!(store.user_by_name("ADA").await.unwrap(), None);
    assert_eq!(store.user(other, ada.id).await.unwrap(), None, "another tenant's user is not found");

    let bob =
        store.create_user(tenant, NewUser { odoo_user_id: None, language: None, ..new_user("bob") }).await.unwrap();
    assert_eq!(store.users(tenant, None, 10).await.unwrap(), vec![ada.clone(), bob.clone()]);
    assert_eq!(store.users(tenant, None, 1).await.unwrap(), vec![ada.clone()]);
    assert_eq!(store.users(tenant, Some(ada.id), 10).await.unwrap(), vec![bob.clone()]);

    let changed = User { role: Role::Admin, active: false, language: None, username: "ada2".to_owned(), ..ada };
    assert!(store.update_user(&changed).await.unwrap());
    assert_eq!(store.user_by_name("ada2").await.unwrap(), Some(changed.clone()));
    let foreign = User { tenant: other, username: "stolen".to_owned(), ..changed.clone() };
    assert!(!store.update_user(&foreign).await.unwrap());
    assert_eq!(store.user(tenant, changed.id).await.unwrap(), Some(changed));
    assert!(store.set_user_language(tenant, bob.id, Some("fr")).await.unwrap());
    assert!(!store.set_user_language(other, bob.id, Some("ar")).await.unwrap());
    let bob = User { language: Some("fr".to_owned()), ..bob };
    assert_eq!(store.user(tenant, bob.id).await.unwrap(), Some(bob.clone()), "and nothing else");
    assert!(store.set_user_language(tenant, bob.id, None).await.unwrap());
    assert_eq!(store.user(tenant, bob.id).await.unwrap().unwrap().language, None);
    assert!(!store.delete_user(other, bob.id).await.unwrap());
    assert!(store.user(tenant, bob.id).await.unwrap().is_some());
}

async fn a_link_keeps_the_system_that_was_primary(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, early) = tenant_with_user(store, "early").await;
    let (other, stranger) = tenant_with_user(store, "stranger").await;
    assert_eq!(early.odoo_system, None, "there is no system yet");
    let first = store.create_system(tenant, super::systems::new_system("first")).await.unwrap();
    let second = store.create_system(tenant, super::systems::new_system("second")).await.unwrap();
    let ada = store.create_user(tenant, new_user("ada")).await.unwrap();
    assert_eq!(ada.odoo_system, Some(first.key));
    assert_eq!(store.user(tenant, ada.id).await.unwrap(), Some(ada.clone()));
    let bob = store.create_user(tenant, NewUser { odoo_user_id: None, ..new_user("bob") }).await.unwrap();
    assert_eq!(bob.odoo_system, None);

    store.update_system(&crate::System { is_primary: true, ..second.clone() }).await.unwrap();
    assert_eq!(store.user(tenant, ada.id).await.unwrap().unwrap().odoo_system, Some(first.key));
    let eve = store.create_user(tenant, new_user("eve")).await.unwrap();
    assert_eq!(eve.odoo_system, Some(second.key));

    // Only a link that is not bound is bound, and only within the tenant.
    assert!(!store.bind_user_link(other, early.id, second.key).await.unwrap());
    assert!(!store.bind_user_link(other, stranger.id, second.key).await.unwrap());
    assert!(!store.bind_user_link(tenant, bob.id, second.key).await.unwrap());
    assert!(!store.bind_user_link(tenant, ada.id, second.key).await.unwrap());
    assert!(store.bind_user_link(tenant, early.id, second.key).await.unwrap());
    // Who read the user before that and saves something else does not undo it.
    assert!(store.update_user(&User { language: None, ..early.clone() }).await.unwrap());
    assert_eq!(store.user(tenant, early.id).await.unwrap().unwrap().odoo_system, Some(second.key));
    assert!(store.update_user(&User { odoo_user_id: Some(8), ..early.clone() }).await.unwrap());
    assert_eq!(
        store.user(tenant, early.id).await.unwrap().unwrap().odoo_system,
        None,
        "another number is another link"
    );
}

async fn a_username_is_unique_over_all_tenants(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, _) = tenant_with_user(store, "ada").await;
    let (other, eve) = tenant_with_user(store, "eve").await;
    for tenant in [tenant, other] {
        let refused = store.create_user(tenant, new_user("ada")).await;
        assert!(matches!(refused, Err(StoreError::Conflict("username"))), "{refused:?}");
    }
    let refused = store.update_user(&User { username: "ada".to_owned(), ..eve.clone() }).await;
    assert!(matches!(refused, Err(StoreError::Conflict("username"))), "{refused:?}");
    assert_eq!(store.user(other, eve.id).await.unwrap(), Some(eve));
    let nowhere = store.create_user(TenantId(999), new_user("zoe")).await;
    assert!(matches!(nowhere, Err(StoreError::NotFound)), "{nowhere:?}");
}

async fn a_deleted_user_takes_cursors_and_sessions_along(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, ada) = tenant_with_user(store, "ada").await;
    let (_, eve) = tenant_with_user(store, "eve").await;
    for user in [&ada, &eve] {
        store.create_session(&session(user, &user.username, &bed)).await.unwrap();
        assert!(store.save_cursor(&super::cursors::cursor_of(user, "phone", &bed)).await.unwrap());
    }
    assert!(store.delete_user(tenant, ada.id).await.unwrap());
    assert!(!store.delete_user(tenant, ada.id).await.unwrap());
    assert_eq!(store.user(tenant, ada.id).await.unwrap(), None);
    assert_eq!(store.session("ada").await.unwrap(), None);
    assert_eq!(store.cursors(tenant, ada.id, None).await.unwrap(), vec![]);
    assert!(store.session("eve").await.unwrap().is_some());
    assert_eq!(store.cursors(eve.tenant, eve.id, None).await.unwrap().len(), 1);

    let again = store.create_user(tenant, new_user("ada")).await.unwrap();
    assert_ne!(again.id, ada.id, "an id is never used again");
}

async fn the_first_admin_is_made_once(bed: Bed) {
    let nodes = bed.nodes(2).await;
    let store = &nodes[0];
    // Several rounds, since the first one mostly opens connections and so hardly overlaps.
    for round in 1..=8 {
        let asked = (0..8).map(|turn| {
            let store = &nodes[turn % nodes.len()];
            let new = new_user(&format!("admin{turn}"));
            async move { store.create_first_admin("Main", "enterprise", new).await.unwrap() }
        });
        let made: Vec<_> = futures_util::future::join_all(asked).await.into_iter().flatten().collect();
        assert_eq!(made.len(), 1, "{made:?}");
        let admin = &made[0];
        assert_eq!(admin.role, Role::Admin, "whatever role was asked for");
        assert_eq!(store.user(admin.tenant, admin.id).await.unwrap().as_ref(), Some(admin));
        let tenants = store.tenants().await.unwrap();
        assert_eq!(tenants.len(), round, "no tenant without a user stays behind");
        assert!(tenants.iter().any(|tenant| tenant.id == admin.tenant));
        assert_eq!(store.create_first_admin("Late", "free", new_user("late")).await.unwrap(), None);
        assert!(store.delete_user(admin.tenant, admin.id).await.unwrap());
    }
}

async fn the_first_admin_gets_a_tenant_of_its_own(bed: Bed) {
    let nodes = bed.nodes(2).await;
    let last = &nodes[nodes.len() - 1];
    // The tenants that others make at the same moment must not get mixed up with the admin's.
    for round in 0..8 {
        let others = futures_util::future::join_all((0..6).map(|turn| {
            let store = &nodes[turn % nodes.len()];
            async move { store.create_tenant(&format!("Other {turn}"), "free").await.unwrap() }
        }));
        let (admin, others) = tokio::join!(last.create_first_admin("Main", "enterprise", new_user("root")), others);
        let admin = admin.unwrap().unwrap();
        assert_eq!(last.tenant(admin.tenant).await.unwrap().unwrap().name, "Main", "round {round}");
        assert!(others.iter().all(|other| other.id != admin.tenant));
        assert!(last.delete_user(admin.tenant, admin.id).await.unwrap());
    }
}

async fn a_session_is_rotated_by_who_has_the_valid_token(bed: Bed) {
    let store = &bed.open().await;
    let (_, ada) = tenant_with_user(store, "ada").await;
    let first = session(&ada, "s1", &bed);
    store.create_session(&first).await.unwrap();
    assert_eq!(store.session("s1").await.unwrap(), Some(first.clone()));
    assert!(matches!(store.create_session(&first).await, Err(StoreError::Conflict(_))));

    let later = first.expires_at.plus(Duration::from_hours(1));
    assert!(!store.rotate_session("s1", "wrong", "second", later).await.unwrap());
    assert!(store.rotate_session("s1", "first", "second", later).await.unwrap());
    assert!(!store.rotate_session("s1", "first", "third", later).await.unwrap(), "the old token is used up");
    let rotated = store.session("s1").await.unwrap().unwrap();
    assert_eq!(rotated.refresh_hash, "second");
    assert_eq!(rotated.previous_hash.as_deref(), Some("first"));
    assert_eq!(rotated.expires_at, later);

    let (one, two) = tokio::join!(
        store.rotate_session("s1", "second", "third", later),
        store.rotate_session("s1", "second", "fourth", later)
    );
    assert!(one.unwrap() ^ two.unwrap(), "of two at once exactly one wins");

    let hash = store.session("s1").await.unwrap().unwrap().refresh_hash;
    bed.clock.advance(Duration::from_mins(121));
    assert!(
        !store.rotate_session("s1", &hash, "fifth", bed.clock.now().plus(Duration::from_hours(1))).await.unwrap(),
        "it ran out"
    );
}

async fn a_session_needs_a_user_of_its_tenant(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, ada) = tenant_with_user(store, "ada").await;
    let (other, _) = tenant_with_user(store, "eve").await;
    for (tenant, user) in [(other, ada.id), (tenant, UserId(999))] {
        let refused = store.create_session(&Session { tenant, user, ..session(&ada, "s1", &bed) }).await;
        assert!(matches!(refused, Err(StoreError::NotFound)), "{refused:?}");
    }
    assert_eq!(store.session("s1").await.unwrap(), None);
}

async fn a_revoked_session_stays_revoked(bed: Bed) {
    let store = &bed.open().await;
    let (tenant, ada) = tenant_with_user(store, "ada").await;
    let (other, eve) = tenant_with_user(store, "eve").await;
    for (user, id) in [(&ada, "a1"), (&ada, "a2"), (&eve, "e1")] {
        store.create_session(&session(user, id, &bed)).await.unwrap();
    }
    let revoked_at = bed.clock.now();
    store.revoke_session("a1").await.unwrap();
    bed.clock.advance(Duration::from_mins(1));
    store.revoke_session("a1").await.unwrap();
    assert_eq!(store.session("a1").await.unwrap().unwrap().revoked_at, Some(revoked_at), "the first time counts");
    let later = bed.clock.now().plus(Duration::from_hours(1));
    assert!(!store.rotate_session("a1", "first", "second", later).await.unwrap());

    store.revoke_user_sessions(other, ada.id).await.unwrap();
    assert_eq!(store.session("a2").await.unwrap().unwrap().revoked_at, None, "another tenant changes nothing");
    store.revoke_user_sessions(tenant, ada.id).await.unwrap();
    assert_eq!(store.session("a2").await.unwrap().unwrap().revoked_at, Some(bed.clock.now()));
    assert_eq!(store.session("e1").await.unwrap().unwrap().revoked_at, None);
}

async fn sessions_are_purged_in_batches(bed: Bed) {
    let store = &bed.open().await;
    let (_, ada) = tenant_with_user(store, "ada").await;
    for number in 0..7 {
        store.create_session(&session(&ada, &format!("old{number}"), &bed)).await.unwrap();
    }
    bed.clock.advance(Duration::from_mins(30));
    store.create_session(&session(&ada, "new", &bed)).await.unwrap();
    bed.clock.advance(Duration::from_mins(31));
    assert_eq!(store.purge_sessions(bed.clock.now(), 3).await.unwrap(), 7);
    assert_eq!(store.purge_sessions(bed.clock.now(), 3).await.unwrap(), 0);
    assert!(store.session("new").await.unwrap().is_some());
    assert_eq!(store.session("old3").await.unwrap(), None);
}

async fn debug_shows_no_secret(bed: Bed) {
    let store = &bed.open().await;
    let (_, ada) = tenant_with_user(store, "ada").await;
    let session = Session { previous_hash: Some("zeroth".to_owned()), ..session(&ada, "s1", &bed) };
    let shown = format!("{ada:?} {:?} {session:?}", new_user("ada"));
    assert!(shown.contains("ada") && shown.contains("s1"), "{shown}");
    for secret in ["hash-of", "first", "zeroth"] {
        assert!(!shown.contains(secret), "{shown}");
    }
}
