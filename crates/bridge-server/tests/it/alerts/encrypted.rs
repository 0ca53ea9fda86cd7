//! E-mails go encrypted, and to nobody but the server that was named.

use super::certificate::Certificate;
use super::command::test;
use super::mail_server::{MailServer, Security};
use crate::support::Setup;

const HOST: &str = "127.0.0.1";

fn variables(server: &MailServer, tls: &str, trusted: &Certificate) -> Vec<(&'static str, String)> {
    let smtp = server.settings();
    vec![
        ("BRIDGECORE_ALERTS__EMAILS", "[{name=\"staff\", to=[\"ops@example.com\"]}]".to_owned()),
        ("BRIDGECORE_ALERTS__SMTP__HOST", smtp.host),
        ("BRIDGECORE_ALERTS__SMTP__PORT", smtp.port.to_string()),
        ("BRIDGECORE_ALERTS__SMTP__TLS", tls.to_owned()),
        ("BRIDGECORE_ALERTS__SMTP__USERNAME", smtp.username),
        ("BRIDGECORE_ALERTS__SMTP__PASSWORD", smtp.password),
        ("BRIDGECORE_ALERTS__SMTP__FROM", smtp.from),
        trusted.trusted(),
    ]
}

#[derive(Clone, Copy)]
enum Way {
    StartTls,
    Tls,
}

impl Way {
    fn word(self) -> &'static str {
        match self {
            Self::StartTls => "starttls",
            Self::Tls => "tls",
        }
    }

    async fn server(self, certificate: &Certificate) -> MailServer {
        let acceptor = certificate.acceptor.clone();
        MailServer::start_with(match self {
            Self::StartTls => Security::StartTls(acceptor),
            Self::Tls => Security::Tls(acceptor),
        })
        .await
    }
}

async fn goes_to_the_right_server_alone(way: Way) {
    let (setup, right) = (Setup::sqlite(), Certificate::of(HOST));
    let server = way.server(&right).await;
    let (worked, said) = test(&setup, &variables(&server, way.word(), &right)).await;
    assert!(worked && said == "staff\tsent\n", "{said}");
    assert!(server.wait("Subject: [BridgeCore] This is a test of the alerts").await.is_encrypted);

    // One that nobody vouches for, and one of another server.
    let (stranger, elsewhere) = (Certificate::of(HOST), Certificate::of("mail.example.com"));
    for (shown, trusted) in [(&stranger, &right), (&elsewhere, &elsewhere)] {
        let server = way.server(shown).await;
        let (worked, said) = test(&setup, &variables(&server, way.word(), trusted)).await;
        assert!(!worked && said.starts_with("staff\tfailed: the mail server did not take it"), "{said}");
        assert!(said.contains("certificate"), "{said}");
        assert_eq!((server.taken().len(), server.log_ins()), (0, 0), "it was told nothing");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_starttls_mail_goes_to_the_right_server_alone() {
    goes_to_the_right_server_alone(Way::StartTls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn with_tls_mail_goes_to_the_right_server_alone() {
    goes_to_the_right_server_alone(Way::Tls).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_does_not_encrypt_is_told_nothing() {
    let (setup, certificate, server) = (Setup::sqlite(), Certificate::of(HOST), MailServer::start().await);
    let (worked, said) = test(&setup, &variables(&server, Way::StartTls.word(), &certificate)).await;
    assert!(!worked && said.starts_with("staff\tfailed: the mail server did not take it"), "{said}");
    assert_eq!((server.taken().len(), server.log_ins()), (0, 0));
}
