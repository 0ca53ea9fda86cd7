//! Runs the live suite against a real Odoo: `cargo xtask odoo --live URL --database DB --login L --password P`.
//!
//! What to try comes from the environment, so that no secret stands in the list of processes.

use bridge_erp::{ClientOptions, Connection, live};
use bridge_model::Clock;
use bridge_model::clock::SystemClock;
use bridge_model::entropy::OsEntropy;
use std::env::var;
use std::process::ExitCode;
use std::sync::Arc;

#[tokio::main]
async fn main() -> ExitCode {
    let connection = Connection {
        url: var("BRIDGECORE_LIVE_URL").unwrap_or_default(),
        database: var("BRIDGECORE_LIVE_DATABASE").unwrap_or_default(),
        username: var("BRIDGECORE_LIVE_LOGIN").unwrap_or_default(),
        password: var("BRIDGECORE_LIVE_PASSWORD").unwrap_or_default(),
        api_key: var("BRIDGECORE_LIVE_API_KEY").ok().filter(|key| !key.is_empty()),
        timeout_ms: None,
        postgres_url: None,
        protocol: None,
    };
    let entropy = match OsEntropy::new() {
        Ok(entropy) => Arc::new(entropy),
        Err(error) => {
            eprintln!("no randomness: {error}");
            return ExitCode::FAILURE;
        }
    };
    let options = ClientOptions { entropy, ..ClientOptions::default() };
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    match live::run(&connection, &options, &clock).await {
        Ok(report) => {
            println!("{report}");
            if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
        }
        Err(error) => {
            eprintln!("nothing was tried: {error}");
            ExitCode::FAILURE
        }
    }
}
