//! Where the repository is, and how its own cargo is called.

use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// The repository's root folder.
pub(crate) fn root() -> PathBuf {
    let xtask =
        std::env::var_os("CARGO_MANIFEST_DIR").map_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")), PathBuf::from);
    xtask.parent().map_or_else(|| xtask.clone(), Path::to_path_buf)
}

/// A cargo command in the repository's root.
///
/// What `cargo run` told this process about the package xtask is taken out of the environment:
/// build scripts of other packages watch those variables and would run again for nothing.
pub(crate) fn cargo() -> Command {
    let mut command = Command::new("cargo");
    command.current_dir(root()).env_remove("LD_LIBRARY_PATH");
    for (name, _) in std::env::vars_os() {
        let Some(text) = name.to_str() else { continue };
        let told = ["CARGO_PKG_", "CARGO_MANIFEST_", "CARGO_BIN_"];
        if told.iter().any(|prefix| text.starts_with(prefix))
            || ["CARGO", "CARGO_CRATE_NAME", "CARGO_PRIMARY_PACKAGE"].contains(&text)
        {
            command.env_remove(&name);
        }
    }
    command
}
