use crate::support::{App, Client, Setup, demo_erp, on_both_databases, register_demo_system};
use serde_json::{Value, json};

on_both_databases!(
    an_admin_makes_reads_changes_and_deletes_users,
    a_list_of_users_goes_on_where_it_ended,
    users_see_themselves_and_change_nothing,
    users_of_another_tenant_do_not_exist,
    a_tenant_keeps_an_active_admin,
    of_two_admins_who_demote_each_other_at_once_one_stays,
    names_are_given_once_over_all_tenants,
    a_link_stays_with_the_system_that_was_primary,
);

async fn an_admin_makes_reads_changes_and_deletes_users(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    let body = json!({ "username": "sara", "password": "12345678", "odoo_user_id": 7, "language": "ar_001" });
    let sara = admin.post("/api/v1/users", &body).await.expect(201);
    assert_eq!(sara["role"], "user");
    assert_eq!(sara["is_active"], true);
    assert_eq!((&sara["odoo_user_id"], &sara["language"]), (&json!(7), &json!("ar_001")));
    let text = sara.to_string();
    assert!(!text.contains("argon2") && !text.contains("12345678") && !text.contains("password"), "{text}");

    let path = format!("/api/v1/users/{}", sara["id"]);
    assert_eq!(admin.get(&path).await.expect(200), sara);
    // What is left out stays; what is null goes.
    let changed = admin.put(&path, &json!({ "language": null })).await.expect(200);
    assert_eq!((&changed["odoo_user_id"], &changed["language"]), (&json!(7), &Value::Null));
    assert_eq!(admin.put(&path, &json!({})).await.expect(200), changed);
    app.login("sara", "12345678").await;

    admin.delete(&path).await.expect(200);
    for answer in [admin.get(&path).await, admin.put(&path, &json!({})).await, admin.delete(&path).await] {
        answer.expect_problem(404, "NOT_FOUND");
    }
    app.stop().await;
}

async fn a_list_of_users_goes_on_where_it_ended(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    for n in 0..4 {
        new_user(&admin, &format!("user{n}"), "user").await;
    }
    let mut names = Vec::new();
    let mut path = "/api/v1/users?limit=2".to_owned();
    let mut pages = 0;
    loop {
        let page = admin.get(&path).await.expect(200);
        pages += 1;
        names
            .extend(page["items"].as_array().unwrap().iter().map(|user| user["username"].as_str().unwrap().to_owned()));
        let Some(cursor) = page["next_cursor"].as_str() else { break };
        path = format!("/api/v1/users?limit=2&cursor={cursor}");
    }
    assert_eq!(names, ["admin", "user0", "user1", "user2", "user3"]);
    assert_eq!(pages, 3);
    // A last page that is full is known to be the last.
    assert_eq!(admin.get("/api/v1/users?limit=5").await.expect(200)["next_cursor"], Value::Null);
    app.stop().await;
}

async fn users_see_themselves_and_change_nothing(setup: Setup) {
    let app = setup.start().await;
    let (admin, sara) = (app.admin().await, app.user("sara", None).await);
    let (admin_path, sara_path) = (own_path(&admin).await, own_path(&sara).await);
    assert_eq!(sara.get(&sara_path).await.expect(200)["username"], "sara");
    for answer in [
        sara.get(&admin_path).await,
        sara.get("/api/v1/users").await,
        sara.post("/api/v1/users", &json!({ "username": "x", "password": "12345678" })).await,
        sara.put(&sara_path, &json!({ "role": "admin" })).await,
        sara.put(&admin_path, &json!({ "is_active": false })).await,
        sara.delete(&admin_path).await,
        sara.delete(&sara_path).await,
    ] {
        answer.expect_problem(403, "FORBIDDEN");
    }
    app.stop().await;
}

async fn users_of_another_tenant_do_not_exist(setup: Setup) {
    let app = setup.start().await;
    let (ours, theirs) = (app.admin().await, app.other_tenant("rival").await);
    let path = own_path(&theirs).await;
    for answer in
        [ours.get(&path).await, ours.put(&path, &json!({ "password": "12345678" })).await, ours.delete(&path).await]
    {
        answer.expect_problem(404, "NOT_FOUND");
    }
    let listed = theirs.get("/api/v1/users").await.expect(200);
    assert_eq!(listed["items"].as_array().unwrap().len(), 1);
    // A tenant that is named in a body or a query means nothing.
    let tenant = ours.get("/api/v1/auth/me").await.expect(200)["tenant_id"].clone();
    let body = json!({ "username": "spy", "password": "12345678", "tenant_id": tenant });
    let spy = theirs.post(&format!("/api/v1/users?tenant_id={tenant}"), &body).await.expect(201);
    assert_ne!(spy["tenant_id"], tenant);
    app.stop().await;
}

async fn a_tenant_keeps_an_active_admin(setup: Setup) {
    let app = setup.start().await;
    let admin = app.admin().await;
    // The admin of another tenant does not count.
    app.other_tenant("rival").await;
    let own = own_path(&admin).await;
    admin.delete(&own).await.expect_problem(409, "CONFLICT");
    for change in [json!({ "role": "user" }), json!({ "is_active": false })] {
        admin.put(&own, &change).await.expect_problem(409, "CONFLICT");
    }
    // An admin who can't log in does not count either.
    let second = format!("/api/v1/users/{}", new_user(&admin, "second", "admin").await["id"]);
    admin.put(&second, &json!({ "is_active": false })).await.expect(200);
    admin.put(&own, &json!({ "role": "user" })).await.expect_problem(409, "CONFLICT");
    admin.put(&second, &json!({ "is_active": true })).await.expect(200);
    admin.put(&own, &json!({ "role": "user" })).await.expect(200);
    admin.get("/api/v1/users").await.expect_problem(403, "FORBIDDEN");
    app.stop().await;
}

async fn of_two_admins_who_demote_each_other_at_once_one_stays(setup: Setup) {
    let app = setup.start().await;
    for round in 0..10 {
        // A tenant of its own, so that each round starts with exactly two.
        let one = app.other_tenant(&format!("one{round}")).await;
        let name = format!("other{round}");
        new_user(&one, &name, "admin").await;
        let other = app.login(&name, PASSWORD).await;
        let (one_path, other_path) = (own_path(&one).await, own_path(&other).await);
        let demotion = json!({ "role": "user" });
        let (first, second) = tokio::join!(one.put(&other_path, &demotion), other.put(&one_path, &demotion));
        assert!([first.status, second.status].contains(&200), "{first:?} {second:?}");
        assert_eq!(admins_left(&app, [&one, &other]).await, 1);
    }
    app.stop().await;
}

async fn names_are_given_once_over_all_tenants(setup: Setup) {
    let app = setup.start().await;
    let (ours, theirs) = (app.admin().await, app.other_tenant("rival").await);
    let sara = new_user(&ours, "sara", "user").await;
    for admin in [&ours, &theirs] {
        let body = json!({ "username": "sara", "password": PASSWORD });
        admin.post("/api/v1/users", &body).await.expect_problem(409, "CONFLICT");
    }
    let path = format!("/api/v1/users/{}", sara["id"]);
    ours.put(&path, &json!({ "username": "admin" })).await.expect_problem(409, "CONFLICT");
    assert_eq!(ours.get(&path).await.expect(200)["username"], "sara");
    ours.put(&path, &json!({ "username": "sara.h" })).await.expect(200);
    theirs.post("/api/v1/users", &json!({ "username": "sara", "password": PASSWORD })).await.expect(201);
    app.stop().await;
}

async fn a_link_stays_with_the_system_that_was_primary(setup: Setup) {
    let (app, erp) = (setup.start().await, demo_erp().await);
    let (admin, early) = (app.admin().await, app.user("early", Some(7)).await);
    let systems =
        [register_demo_system(&admin, &erp, "first").await, register_demo_system(&admin, &erp, "second").await];
    let sara = app.user("sara", Some(7)).await;
    let (path, early_path) = (own_path(&sara).await, own_path(&early).await);
    let link_of = async |path: &str| admin.get(path).await.expect(200)["odoo_system_id"].clone();
    assert_eq!((link_of(&path).await, link_of(&early_path).await), (json!("first"), Value::Null));

    admin.put("/api/v1/systems/second", &json!({ "is_primary": true })).await.expect(200);
    admin.put(&path, &json!({ "language": "ar" })).await.expect(200);
    assert_eq!(link_of(&path).await, "first", "it is still the user of the first system");
    assert_eq!(sara.get("/api/v1/auth/me").await.expect(200)["odoo_system_id"], "first");
    let listed = admin.get("/api/v1/users").await.expect(200);
    let listed: Vec<_> = listed["items"].as_array().unwrap().iter().map(|user| &user["odoo_system_id"]).collect();
    assert_eq!(listed, [&Value::Null, &Value::Null, &json!("first")]);

    // A link from before there was a system is bound once.
    let key = |system: &Value| bridge_model::SystemKey(system["id"].as_i64().unwrap());
    let early_id = early.get("/api/v1/auth/me").await.expect(200)["id"].as_i64().unwrap();
    let (tenant, early_id) = (crate::ingest::pusher::tenant_of(&admin).await, bridge_model::UserId(early_id));
    let store = &app.context().store;
    assert!(store.bind_user_link(tenant, early_id, key(&systems[1])).await.unwrap());
    assert!(!store.bind_user_link(tenant, early_id, key(&systems[0])).await.unwrap());
    assert_eq!(link_of(&early_path).await, "second");

    for (id, system) in [(json!(7), json!("second")), (Value::Null, Value::Null), (json!(8), json!("second"))] {
        let changed = admin.put(&path, &json!({ "odoo_user_id": id })).await.expect(200);
        assert_eq!((&changed["odoo_user_id"], &changed["odoo_system_id"]), (&id, &system));
    }
    assert_eq!(sara.get("/api/v1/auth/me").await.expect(200)["odoo_system_id"], "second");
    app.stop().await;
    erp.stop().await;
}

const PASSWORD: &str = "some password";

async fn new_user(admin: &Client, username: &str, role: &str) -> Value {
    let body = json!({ "username": username, "password": PASSWORD, "role": role });
    admin.post("/api/v1/users", &body).await.expect(201)
}

async fn own_path(client: &Client) -> String {
    format!("/api/v1/users/{}", client.get("/api/v1/auth/me").await.expect(200)["id"])
}

async fn admins_left(app: &App, clients: [&Client; 2]) -> usize {
    let me = clients[0].get("/api/v1/auth/me").await.expect(200);
    let tenant = bridge_model::TenantId(me["tenant_id"].as_i64().unwrap());
    let users = app.context().store.users(tenant, None, 10).await.unwrap();
    users.iter().filter(|user| user.active && user.role == bridge_store::Role::Admin).count()
}
