//! `bridgecore alerts test`

use super::mail_server::{MailServer, PASSWORD};
use super::receiver::{PATH, Receiver};
use crate::support::Setup;
use std::process::Output;
use tokio::process::Command;

const BINARY: &str = env!("CARGO_BIN_EXE_bridgecore");

pub(super) async fn test(setup: &Setup, variables: &[(&str, String)]) -> (bool, String) {
    let mut command = Command::new(BINARY);
    command.args(["alerts", "test"]).kill_on_drop(true);
    let all = setup.environment().into_iter().chain(variables.iter().map(|(name, value)| (*name, value.clone())));
    command.envs(all);
    let Output { status, stdout, stderr } = command.output().await.unwrap();
    let said = format!("{}{}", String::from_utf8(stdout).unwrap(), String::from_utf8(stderr).unwrap());
    assert!(!said.contains(&Receiver::secret()) && !said.contains(PASSWORD) && !said.contains(PATH), "{said}");
    (status.success(), said)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_is_sent_a_test_and_it_says_who_got_it() {
    let (setup, receiver, server) = (Setup::sqlite(), Receiver::start().await, MailServer::start().await);
    let (worked, said) = test(&setup, &[]).await;
    assert!(!worked && said.contains("names nobody"), "{said}");

    let smtp = server.settings();
    let mut variables = vec![
        (
            "BRIDGECORE_ALERTS__WEBHOOKS",
            format!("[{{name=\"chat\", url=\"{}\", secret=\"{}\"}}]", receiver.url(), Receiver::secret()),
        ),
        ("BRIDGECORE_ALERTS__EMAILS", "[{name=\"staff\", to=[\"ops@example.com\"]}]".to_owned()),
        ("BRIDGECORE_ALERTS__SMTP__HOST", smtp.host),
        ("BRIDGECORE_ALERTS__SMTP__PORT", smtp.port.to_string()),
        ("BRIDGECORE_ALERTS__SMTP__TLS", "none".to_owned()),
        ("BRIDGECORE_ALERTS__SMTP__USERNAME", smtp.username),
        ("BRIDGECORE_ALERTS__SMTP__PASSWORD", smtp.password),
        ("BRIDGECORE_ALERTS__SMTP__FROM", smtp.from),
    ];
    let (worked, said) = test(&setup, &variables).await;
    assert!(worked && said == "chat\tsent\nstaff\tsent\n", "{said}");
    assert_eq!(receiver.taken()[0].body["type"], "alert.test");
    server.wait("Subject: [BridgeCore] This is a test of the alerts").await;

    receiver.answer(500);
    variables[6].1 = format!("{PASSWORD}-not");
    let (worked, said) = test(&setup, &variables).await;
    assert!(!worked && said.contains("chat\tfailed: it answered with the status 500\n"), "{said}");
    assert!(said.contains("staff\tfailed: the mail server did not take it"), "{said}");

    variables[0].1 = format!("[{{name=\"chat\", url=\"{}\", secret=\"whsec_wrong\"}}]", receiver.url());
    let said = test(&setup, &variables).await.1;
    assert!(said.contains("the secret of chat must be"), "{said}");
}
