//! Where calls go, and where they must not: names that lead to several places, or to another one the next time.

use super::scripted::Server;
use super::{call, connection, odoo, options, result};
use crate::adapter::{Adapter, Connection};
use crate::guard::{Guard, GuardOptions};
use crate::odoo::database::{Database, DatabaseError, DatabaseErrorKind, DatabaseOptions};
use crate::outbound::{AddressKind, AddressRefused, Names, Outbound, OutboundRules};
use crate::pool::{ClientOptions, connect};
use crate::{CircuitState, ErpErrorKind};
use bridge_model::AddressBlock;
use bridge_model::clock::SystemClock;
use serde_json::json;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::{io, slice};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

/// Names that lead where the test says, as those of somebody do who has a name server of their own.
#[derive(Debug, Default)]
struct Book(Mutex<Vec<IpAddr>>);

impl Book {
    fn lead_to(&self, addresses: &[&str]) {
        *self.0.lock().unwrap() = addresses.iter().map(|address| address.parse().unwrap()).collect();
    }
}

impl Names for Book {
    fn find(&self, name: String) -> Pin<Box<dyn Future<Output = io::Result<Vec<IpAddr>>> + Send>> {
        assert_eq!(name, "erp.test");
        let found = self.0.lock().unwrap().clone();
        Box::pin(async move { Ok(found) })
    }
}

/// Counts who connects to a place that nobody should connect to.
struct Trap {
    caught: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Trap {
    /// At another address of this machine, with the same port.
    async fn beside(server: SocketAddr) -> Self {
        let listener = TcpListener::bind((TRAP, server.port())).await.unwrap();
        let caught = Arc::new(AtomicUsize::new(0));
        let counter = Arc::clone(&caught);
        let task = tokio::spawn(async move {
            while let Ok((socket, _)) = listener.accept().await {
                counter.fetch_add(1, Ordering::SeqCst);
                drop(socket);
            }
        });
        Self { caught, task }
    }

    fn caught(&self) -> usize {
        self.caught.load(Ordering::SeqCst)
    }
}

impl Drop for Trap {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Where the server of each test is, and what its system may have for an address.
const SERVER: &str = "127.0.0.1";

/// Where nothing may be connected to.
const TRAP: &str = "127.0.0.2";

/// Where something may be connected to, and nothing is.
const DESERTED: &str = "127.0.0.3";

fn only_the_server(book: &Arc<Book>) -> Outbound {
    let allowed = [SERVER, DESERTED].map(|address| AddressBlock::parse(address).unwrap()).to_vec();
    let rules = OutboundRules { allow_private: true, allowed };
    Outbound::new(rules, Arc::clone(book) as _)
}

fn address(server: &Server) -> SocketAddr {
    server.url().trim_start_matches("http://").trim_end_matches('/').parse().unwrap()
}

/// An adapter of the system at this URL, and what bounds its calls.
fn adapter(server: &Server, url: &str, outbound: Outbound) -> (Arc<dyn Adapter>, Arc<Guard>) {
    let bounds = GuardOptions {
        calls_at_once_max: 2,
        calls_waiting_max: 2,
        calls_wait_ms: 5_000,
        failures_max: 20,
        recovery_ms: 60_000,
    };
    let guard = Arc::new(Guard::new(bounds, Arc::new(SystemClock)));
    let options = ClientOptions { outbound, guard: Some(Arc::clone(&guard)), ..options() };
    let connection = Connection { url: url.to_owned(), ..connection(server) };
    (connect("odoo", &connection, &options, Arc::new(SystemClock)).unwrap(), guard)
}

#[tokio::test]
async fn of_the_addresses_of_a_name_only_those_are_used_that_may_be() {
    let server = Server::start(odoo(|_| result(json!(7)))).await;
    let (book, trap) = (Arc::new(Book::default()), Trap::beside(address(&server)).await);
    book.lead_to(&[TRAP, SERVER]);
    let url = format!("http://erp.test:{}", address(&server).port());
    let (adapter, _) = adapter(&server, &url, only_the_server(&book));
    for _ in 0..3 {
        assert_eq!(call(&adapter).await.unwrap(), json!(7));
    }
    assert_eq!(trap.caught(), 0);
}

#[tokio::test]
async fn a_name_that_leads_elsewhere_the_next_time_is_refused_then() {
    let server = Server::start(odoo(|_| result(json!(7)))).await;
    let (book, trap) = (Arc::new(Book::default()), Trap::beside(address(&server)).await);
    book.lead_to(&[SERVER]);
    let url = format!("http://erp.test:{}", address(&server).port());
    let (adapter, guard) = adapter(&server, &url, only_the_server(&book));
    assert_eq!(call(&adapter).await.unwrap(), json!(7));
    book.lead_to(&[DESERTED]);
    assert_eq!(call(&adapter).await.unwrap_err().kind, ErpErrorKind::Unreachable);
    let failures = guard.circuit_status().failures;
    assert!(failures >= 1);
    for (elsewhere, kind) in [
        (TRAP, AddressKind::Loopback),
        ("::ffff:127.0.0.2", AddressKind::Loopback),
        ("169.254.169.254", AddressKind::Metadata),
    ] {
        book.lead_to(slice::from_ref(&elsewhere));
        for _ in 0..3 {
            let error = call(&adapter).await.unwrap_err();
            assert_eq!(error.kind, ErpErrorKind::AddressRefused, "{elsewhere}: {error}");
            // Nothing was sent, so that nothing is open.
            assert!(error.is_unsent && !error.may_be_done(), "{error:?}");
            assert_eq!(AddressRefused::among(&error).unwrap().kind, kind);
        }
        // The system was not asked: it has neither failed nor answered.
        assert_eq!(guard.circuit_status().failures, failures);
    }
    assert_eq!(guard.circuit_status().state, CircuitState::Closed);
    book.lead_to(&[SERVER]);
    assert_eq!(call(&adapter).await.unwrap(), json!(7));
    assert_eq!(trap.caught(), 0);
}

#[tokio::test]
async fn an_address_in_place_of_a_name_is_refused_as_well() {
    let server = Server::start(odoo(|_| result(json!(7)))).await;
    let port = address(&server).port();
    let trap = Trap::beside(address(&server)).await;
    let book = Arc::new(Book::default());
    for host in [TRAP, "127.2", "2130706434", "0x7f000002", "[::ffff:127.0.0.2]", "[::ffff:7f00:2]", "[::1]", "0"] {
        let (adapter, guard) = adapter(&server, &format!("http://{host}:{port}"), only_the_server(&book));
        for error in [call(&adapter).await.unwrap_err(), adapter.server_info().await.unwrap_err()] {
            assert_eq!(error.kind, ErpErrorKind::AddressRefused, "{host}: {error}");
        }
        assert_eq!(guard.circuit_status().failures, 0, "{host}");
    }
    assert_eq!(trap.caught(), 0);
    let (adapter, _) = adapter(&server, &server.url(), only_the_server(&book));
    assert_eq!(call(&adapter).await.unwrap(), json!(7));
}

async fn open_database(url: &str, outbound: &Outbound) -> DatabaseError {
    let options =
        DatabaseOptions { connect_timeout_ms: 5_000, outbound: outbound.clone(), ..DatabaseOptions::default() };
    Database::connect(url, &options).await.unwrap_err()
}

#[tokio::test]
async fn a_database_is_connected_to_only_where_it_may_be() {
    // It ends every connection at once, so that none becomes a session, and counts those that were made.
    let listener = TcpListener::bind((SERVER, 0)).await.unwrap();
    let server = listener.local_addr().unwrap();
    let reached = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&reached);
    let task = tokio::spawn(async move {
        while let Ok((socket, _)) = listener.accept().await {
            counter.fetch_add(1, Ordering::SeqCst);
            drop(socket);
        }
    });
    let (book, trap) = (Arc::new(Book::default()), Trap::beside(server).await);
    let (outbound, port) = (only_the_server(&book), server.port());

    book.lead_to(&[TRAP, SERVER]);
    let error = open_database(&format!("postgres://u:hush@erp.test:{port}/odoo"), &outbound).await;
    assert_eq!((error.kind, reached.load(Ordering::SeqCst)), (DatabaseErrorKind::Unreachable, 1), "{error:?}");

    book.lead_to(&[TRAP]);
    for url in [
        format!("postgres://u:hush@erp.test:{port}/odoo"),
        format!("postgres://u:hush@{TRAP}:{port}/odoo"),
        format!("postgres://u:hush@{SERVER}:{port},{TRAP}:{port}/odoo"),
        // The driver goes to the address and takes the name for the certificate alone.
        format!("postgres://u:hush@{SERVER}:{port}/odoo?hostaddr={TRAP}"),
        format!("postgres://u:hush@8.8.8.8:{port}/odoo?hostaddr=169.254.169.254"),
    ] {
        let error = open_database(&url, &outbound).await;
        assert_eq!(error.kind, DatabaseErrorKind::AddressRefused, "{url}: {error:?}");
        assert!(!error.is_transient() && !format!("{error:?}").contains("hush"), "{error:?}");
    }
    // A socket of this machine is this machine.
    let socket = "postgres://u:hush@%2Fvar%2Frun%2Fpostgresql/odoo";
    assert_eq!(open_database(socket, &Outbound::default()).await.kind, DatabaseErrorKind::AddressRefused);
    assert_eq!((reached.load(Ordering::SeqCst), trap.caught()), (1, 0));
    task.abort();
}
