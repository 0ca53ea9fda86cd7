//! The `bridgecore` command.

use anyhow::Context as _;
use bridge_model::Clock;
use bridge_model::clock::SystemClock;
use bridge_model::entropy::{Entropy, OsEntropy};
use bridge_server::config::Config;
use bridge_server::{app, cli, demo, telemetry};
use clap::{Parser, Subcommand};
use mimalloc::MiMalloc;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use tokio::signal::unix::{SignalKind, signal};

/// Passing records on is mostly making and dropping small values, which this one does in less time than that of the C
/// library.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

/// Changes of your ERP on every device, in order and never lost.
#[derive(Debug, Parser)]
#[command(name = "bridgecore", version, arg_required_else_help = true)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the service with a config file
    Serve {
        /// The config file (TOML); settings can also come from BRIDGECORE_<SECTION>__<NAME> variables
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Try it out: no set-up, a built-in demo ERP with living data, everything gone at the end
    Demo {
        /// The port to listen on; 0 takes a free one
        #[arg(long, default_value_t = 8000)]
        port: u16,
    },
    /// Triggers in Odoo's database that write down every committed change: put them in, look at them, take them out
    #[command(subcommand)]
    Capture(cli::capture::Command),
    /// What the reading of the log of Odoo's database needs there: put it in, look at it, take it out
    #[command(subcommand)]
    Wal(cli::wal::Command),
    /// The tenants and their plans, which decide how much they may ask for in an hour
    #[command(subcommand)]
    Tenants(cli::tenants::Command),
    /// What is kept encrypted: by which keys, and the exchange of keys
    #[command(subcommand)]
    Encryption(cli::encryption::Command),
    /// Those who are told when something needs a person: try whether they can be
    #[command(subcommand)]
    Alerts(cli::alerts::Command),
    /// Look the service and its systems over, and say what is wrong and what to do about it
    Doctor(cli::doctor::Arguments),
    /// Print fresh keys for the config's [security] section
    Keys,
}

fn main() -> ExitCode {
    match run(Arguments::parse().command) {
        Ok(code) => code,
        Err(error) => {
            eprintln!("bridgecore: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<ExitCode> {
    let entropy: Arc<dyn Entropy> = Arc::new(OsEntropy::new().context("ask the system for randomness")?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().context("start the runtime")?;
    match command {
        Command::Serve { config } => runtime.block_on(serve(config, clock, entropy))?,
        Command::Demo { port } => runtime.block_on(demo::run(port, clock, entropy, stop_signal()))?,
        Command::Capture(command) => return runtime.block_on(cli::capture::run(command, entropy.as_ref())),
        Command::Wal(command) => return runtime.block_on(cli::wal::run(command, entropy.as_ref())),
        Command::Tenants(command) => runtime.block_on(cli::tenants::run(command, clock, entropy))?,
        Command::Encryption(command) => return runtime.block_on(cli::encryption::run(command, clock, entropy)),
        Command::Alerts(command) => {
            return runtime.block_on(cli::alerts::run(command, clock.as_ref(), entropy.as_ref()));
        }
        Command::Doctor(arguments) => return runtime.block_on(cli::doctor::run(arguments, clock, entropy)),
        Command::Keys => print!("{}", demo::fresh_keys(entropy.as_ref())),
    }
    Ok(ExitCode::SUCCESS)
}

async fn serve(path: Option<PathBuf>, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<()> {
    let config = Config::load(path.as_deref()).context("read the config")?;
    telemetry::start(&config.log)?;
    let running = app::start(config, clock, entropy).await?;
    if let Some(admin) = &running.first_admin
        && let Some(password) = &admin.password
    {
        // To standard output, once: a log would keep it.
        println!("First start: the admin is {} with the password {password} (shown only now)", admin.username);
    }
    println!("BridgeCore listens on http://{}", running.address);
    stop_signal().await;
    running.stop().await;
    Ok(())
}

/// Waits for Ctrl-C or a polite kill.
async fn stop_signal() {
    let terminated = async {
        match signal(SignalKind::terminate()) {
            Ok(mut terminated) => {
                terminated.recv().await;
            }
            Err(error) => {
                tracing::warn!(error = %error, "listen for the termination signal");
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        () = terminated => {}
    }
}
