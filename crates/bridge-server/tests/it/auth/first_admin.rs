use crate::support::{ADMIN_PASSWORD, Setup, on_both_databases};
use serde_json::json;

on_both_databases!(the_first_admin_is_made_once, a_password_that_was_made_is_told_once);

async fn the_first_admin_is_made_once(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let me = admin.get("/api/v1/auth/me").await.expect(200);
    assert_eq!((me["role"].as_str(), me["username"].as_str()), (Some("admin"), Some("admin")));
    let changed = json!({ "username": "boss", "password": "changed in use" });
    admin.put(&format!("/api/v1/users/{}", me["id"]), &changed).await.expect(200);

    // The config's name and password count only where there is nobody.
    let app = app.stop().await.start().await;
    let boss = app.login("boss", "changed in use").await;
    let configured = json!({ "username": "admin", "password": ADMIN_PASSWORD });
    app.anonymous().post("/api/v1/auth/login", &configured).await.expect_problem(401, "INVALID_CREDENTIALS");
    assert_eq!(boss.get("/api/v1/users").await.expect(200)["items"].as_array().unwrap().len(), 1);
    app.stop().await;
}

async fn a_password_that_was_made_is_told_once(setup: Setup) {
    let app = setup.config(|config| config.security.first_admin_password.clear()).start().await;
    let first = app.first_admin().unwrap();
    let (username, password) = (first.username.clone(), first.password.clone().unwrap());
    assert!(!format!("{first:?}").contains(&password));
    app.login(&username, &password).await;
    let app = app.stop().await.start().await;
    assert!(app.first_admin().is_none());
    app.login(&username, &password).await;
    app.stop().await;
}

/// Two nodes that start at the same moment on an empty PostgreSQL database.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_nodes_that_start_at_once_make_one_admin() {
    let setup = Setup::postgres().await;
    let (one, other) = tokio::join!(setup.start(), setup.start());
    assert_eq!(usize::from(one.first_admin().is_some()) + usize::from(other.first_admin().is_some()), 1);
    let admin = one.admin().await;
    assert_eq!(admin.get("/api/v1/users").await.expect(200)["items"].as_array().unwrap().len(), 1);
    // A token of one node holds on the other.
    other.anonymous().with_token(admin.token()).get("/api/v1/auth/me").await.expect(200);
    one.stop().await;
    other.stop().await;
}

#[tokio::test]
async fn a_first_password_that_is_too_short_stops_the_start_and_names_the_setting() {
    let setup = Setup::sqlite().config(|config| "short".clone_into(&mut config.security.first_admin_password));
    let error = format!("{:#}", setup.try_start().await.err().unwrap());
    assert!(error.contains("security.first_admin_password"), "{error}");
}

#[tokio::test]
async fn a_start_that_fails_for_its_port_does_not_use_up_the_first_start() {
    let taken = std::net::TcpListener::bind(("127.0.0.1", 0)).unwrap();
    let setup = Setup::sqlite().config(|config| {
        config.security.first_admin_password.clear();
        config.server.listen = taken.local_addr().unwrap();
    });
    let error = format!("{:#}", setup.try_start().await.err().unwrap());
    assert!(error.contains("listen on"), "{error}");
    drop(taken);
    let app = setup.start().await;
    assert!(app.first_admin().unwrap().password.is_some(), "the password was made where nobody could see it");
    app.stop().await;
}
