//! E-mails to people.

use super::mail_server::{MailServer, PASSWORD};
use super::{PATIENCE, telling_all};
use crate::ingest::pusher::Pusher;
use crate::support::{Setup, eventually, on_both_databases};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bridge_server::config::EmailTarget;

on_both_databases!(people_are_written_to_in_their_language_once_the_mail_server_takes_it);

async fn people_are_written_to_in_their_language_once_the_mail_server_takes_it(setup: Setup) {
    let server = MailServer::start().await;
    server.refuse(true);
    let kinds = vec!["dead_letters".to_owned()];
    let english = EmailTarget {
        name: "staff".to_owned(),
        to: vec!["Ops <ops@example.com>".to_owned(), "second@example.com".to_owned()],
        kinds: kinds.clone(),
        ..EmailTarget::default()
    };
    let arabic = EmailTarget {
        name: "boss".to_owned(),
        to: vec!["boss@example.com".to_owned()],
        language: "ar".to_owned(),
        kinds,
        ..EmailTarget::default()
    };
    let setup = telling_all(setup, Vec::new()).config(|config| {
        config.alerts.emails = vec![english, arabic];
        config.alerts.smtp = server.settings();
    });
    let app = setup.start().await;
    let admin = app.admin().await;
    let shop = Pusher::register(&app, &admin, "shop").await;
    shop.push_bytes("{").await.expect_problem(400, "MALFORMED_JSON");
    eventually("it is tried in vain", PATIENCE, async || {
        let metrics = app.anonymous().get("/metrics").await.expect(200);
        let has = |target: &str| metrics.as_str().unwrap().contains(&format!("outcome=\"failed\",target=\"{target}\""));
        (has("staff") && has("boss")).then_some(())
    })
    .await;
    assert!(server.taken().is_empty());
    server.refuse(false);

    let mail = server.wait("Subject: [BridgeCore] Events from shop could not be understood").await;
    assert_eq!(
        (mail.from.as_str(), mail.to),
        ("bridgecore@example.com", vec!["ops@example.com".to_owned(), "second@example.com".to_owned()])
    );
    let (head, body) = mail.text.split_once("\r\n\r\n").unwrap();
    for line in [
        "From: BridgeCore <bridgecore@example.com>",
        "To: Ops <ops@example.com>, second@example.com",
        "Message-ID: <alert_1_1@example.com>",
        "Auto-Submitted: auto-generated",
        "Content-Type: text/plain; charset=utf-8",
        "Date: ",
    ] {
        assert!(head.lines().any(|one| one.starts_with(line)), "{line}: {head}");
    }
    let first = "Events from shop could not be understood and were put aside.\r\n";
    assert!(body.starts_with(first) && body.contains("dead-letters"), "{body}");
    assert!(body.contains("\r\nSystem: shop\r\n") && body.contains("\r\nHow often: 1\r\n"), "{body}");
    let mail = eventually("the other is written to", PATIENCE, async || {
        server.taken().into_iter().find(|mail| mail.to == ["boss@example.com"])
    })
    .await;
    assert!(mail.text.is_ascii(), "it is encoded");
    let (_, body) = mail.text.split_once("\r\n\r\n").unwrap();
    let body = String::from_utf8(STANDARD.decode(body.replace("\r\n", "")).unwrap()).unwrap();
    assert!(
        body.starts_with("تعذر فهم أحداث من shop ووضعت جانبا.\r\n")
            || body.starts_with("تعذر فهم أحداث من shop ووضعت جانبا.\n"),
        "{body}"
    );
    for mail in server.taken() {
        assert!(!mail.text.contains(PASSWORD) && !mail.text.contains(&shop.key));
    }
    assert_eq!(server.taken().len(), 2);
    app.stop().await;
}
