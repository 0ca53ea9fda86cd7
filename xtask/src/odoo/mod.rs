//! A real Odoo 19 for the tests: installed once, its databases copied for each run.

mod database;
mod install;
mod session;

use anyhow::Result;

use crate::{cache::Cache, process::Stop, provision, services::RunDir};

pub(crate) use session::Session;

/// The name of our add-on.
pub(crate) const ADDON: &str = "bridgecore";

/// `cargo xtask odoo`: installs Odoo; with `serve`, runs it with the add-on until interrupted.
pub(crate) fn command(serve: bool, stop: &Stop) -> Result<()> {
    let account = provision::system(stop)?;
    let mut cache = Cache::open(stop)?;
    let run = RunDir::create()?;
    let session = Session::start(&cache, &run, account, stop)?;
    cache.release();
    if serve {
        session.serve(stop)
    } else {
        println!("Odoo 19 is installed; `cargo xtask odoo --serve` starts it.");
        Ok(())
    }
}
