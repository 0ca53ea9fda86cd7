use crate::support::{Live, Setup};
use serde_json::json;

const PATH: &str = "/ws/webhooks";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_speaks_the_language_that_its_request_asked_for() {
    let app = Setup::sqlite().start().await;
    let admin = app.admin().await;
    let mut live = Live::connect_asking(&app, PATH, Some(admin.token()), "fr").await;
    live.next_of("authenticated").await;
    live.send(json!({ "type": "subscribe", "channel": "x" })).await;
    let said = live.next_of("error").await;
    assert_eq!(said["message"], "Le champ «\u{a0}channel\u{a0}» doit être l’une de ces valeurs\u{a0}: events");
    assert_eq!((&said["code"], &said["details"]["field"]), (&json!("DATA_VALIDATION_FAILED"), &json!("channel")));
    live.send(json!({ "type": "dance" })).await;
    assert_eq!(live.next_of("error").await["message"], "Le message n’a pas la forme attendue");
    live.send(json!({ "type": "ack" })).await;
    assert_eq!(live.next_of("error").await["message"], "Le champ «\u{a0}position\u{a0}» est absent");
    live.close().await;

    let hasty = Setup::sqlite().config(|config| config.live.auth_timeout_ms = 500).start().await;
    let mut silent = Live::connect_asking(&hasty, PATH, None, "ar").await;
    assert_eq!(silent.closed().await, (4401, "لم يصل أي رمز في الوقت المحدد".to_owned()));
    hasty.stop().await;
    let mut stranger = Live::connect_asking(&app, PATH, None, "fr").await;
    stranger.send(json!({ "type": "auth", "token": "x" })).await;
    assert_eq!(stranger.closed().await, (4401, "AUTHENTICATION_FAILED: Le jeton n’est pas valide".to_owned()));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_speaks_the_language_that_its_user_has_chosen() {
    let app = Setup::sqlite().start().await;
    let ann = app.user("ann", None).await;
    ann.put("/api/v1/auth/me", &json!({ "language": "ar" })).await.expect(200);
    let bad = json!({ "type": "subscribe", "channel": "x" });
    let arabic = "يجب أن يكون الحقل channel إحدى القيم التالية: events";
    let mut by_header = Live::connect_asking(&app, PATH, Some(ann.token()), "fr").await;
    by_header.next_of("authenticated").await;
    by_header.send(bad.clone()).await;
    assert_eq!(by_header.next_of("error").await["message"], arabic);
    let mut by_message = Live::connect_asking(&app, PATH, None, "fr").await;
    by_message.send(json!({ "type": "auth", "token": ann.token() })).await;
    by_message.next_of("authenticated").await;
    by_message.send(bad).await;
    assert_eq!(by_message.next_of("error").await["message"], arabic);
    ann.post("/api/v1/auth/logout", &json!({})).await.expect(200);
    let ended = "AUTHENTICATION_FAILED: انتهت الجلسة؛ سجّل الدخول من جديد";
    assert_eq!(by_header.closed().await, (4401, ended.to_owned()));
    app.stop().await;
}
