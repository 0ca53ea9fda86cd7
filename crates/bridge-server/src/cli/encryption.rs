//! `bridgecore encryption status | renew`: by which keys what is kept encrypted, and the exchange of keys.

use super::own_store::{Which, look, open};
use anyhow::Context as _;
use bridge_model::{Clock, Entropy};
use bridge_store::Encrypted;
use clap::Subcommand;
use std::process::ExitCode;
use std::sync::Arc;

/// What to do with what is encrypted.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Count what the first of security.encryption_keys has encrypted, what the others have, and what none decrypts
    Status(Which),
    /// Encrypt anew by the first of security.encryption_keys what the others have encrypted, so that they can be taken out
    Renew(Which),
}

/// Does what the command says; the error is for people. The code is a failure if something is left that the first key alone
/// does not decrypt.
pub async fn run(command: Command, clock: Arc<dyn Clock>, entropy: Arc<dyn Entropy>) -> anyhow::Result<ExitCode> {
    let (config, renews) = match command {
        Command::Status(which) => (which.load()?, false),
        Command::Renew(which) => (which.load()?, true),
    };
    let found = if renews {
        let store = open(&config, clock, entropy).await?;
        let renewed = store.renew_encryption().await.context("encrypt anew");
        store.close().await;
        renewed?
    } else {
        let store = look(&config, clock, entropy).await?;
        let found = store.encryption().await.context("look at what is encrypted");
        store.close().await;
        found?
    };
    Ok(tell(&found))
}

/// Prints what there is of each column, and what that means.
fn tell(found: &[Encrypted]) -> ExitCode {
    println!("renewed\tcurrent\tolder\tunreadable\twhat");
    for Encrypted { table, column, current, older, unreadable, renewed } in found {
        println!("{renewed}\t{current}\t{older}\t{unreadable}\t{table}.{column}");
    }
    let sum = |count: fn(&Encrypted) -> u64| found.iter().map(count).sum::<u64>();
    let (older, unreadable) = (sum(|one| one.older), sum(|one| one.unreadable));
    if unreadable > 0 {
        println!("{unreadable} can't be decrypted: put the keys back into security.encryption_keys that they need");
    }
    if older > 0 {
        println!("{older} need a key that is not the first: run `bridgecore encryption renew`");
    }
    if older == 0 && unreadable == 0 {
        println!("The first of security.encryption_keys decrypts everything.");
        return ExitCode::SUCCESS;
    }
    ExitCode::FAILURE
}
