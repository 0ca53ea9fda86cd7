//! Odoo's own files: the program out of Debian's package and a Python environment for it.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    account::Account,
    apt::{self, Unstable},
    cache::Cache,
    process::{Stop, capture},
    python,
};

const PACKAGE: &str = "odoo-19";

/// The public add-on that notes who changed what, and the version that is tested.
pub(crate) const AUDITLOG: &str = "auditlog";
const AUDITLOG_PACKAGE: &str = "odoo-addon-auditlog==19.0.2.0.1";

/// Packages that Odoo's files link into, of the same suite.
const LINKED: [&str; 8] = [
    "fonts-dejavu-core",
    "fonts-glyphicons-halflings",
    "fonts-montserrat",
    "fonts-ocr-b",
    "fonts-roboto-unhinted",
    "libjs-jquery",
    "libjs-jquery-form",
    "libjs-underscore",
];

/// Packages that Odoo's files link into, whose files have other names in newer releases.
const LINKED_OF_THIS_RELEASE: [&str; 2] = ["fonts-font-awesome", "fonts-inconsolata"];

const REQUIREMENTS: &str = include_str!("requirements.txt");

/// Raised when the recipe below changes, so that what older recipes made is made again.
const RECIPE: u32 = 1;

/// An Odoo that can be started.
#[derive(Clone, Debug)]
pub(crate) struct Install {
    /// The Python that has Odoo's packages.
    pub(crate) python: PathBuf,
    /// The script that starts Odoo.
    pub(crate) odoo_bin: PathBuf,
    /// The folder of Odoo's own add-ons.
    pub(crate) addons: PathBuf,
    /// The folder that [`AUDITLOG`] is in.
    pub(crate) auditlog: PathBuf,
    /// Changes when what is installed changes.
    pub(crate) key: String,
}

/// Installs Odoo into the cache, unless it is there.
pub(crate) fn install(cache: &Cache, account: Account, stop: &Stop) -> Result<Install> {
    let environment = python::environment(cache, "odoo-python", RECIPE, REQUIREMENTS, stop)?;
    let python_version = environment.key.lines().next().unwrap_or_default();
    let auditlog_key = format!("{AUDITLOG_PACKAGE} {python_version}");
    let auditlog =
        cache.ensure("odoo-auditlog", &auditlog_key, |dir| fetch_auditlog(&environment.python, dir, stop))?;
    let tree_key = format!("{RECIPE} {PACKAGE} {LINKED:?} {LINKED_OF_THIS_RELEASE:?} {account:?}");
    let tree = cache.ensure("odoo-tree", &tree_key, |dir| make_tree(dir, account, stop))?;
    Ok(Install {
        python: environment.python,
        odoo_bin: tree.join("odoo-bin"),
        addons: tree.join("root/usr/lib/python3/dist-packages/odoo/addons"),
        auditlog: auditlog.join("odoo/addons"),
        key: format!("{}\n{tree_key}", environment.key),
    })
}

/// What it requires is Odoo itself, which is not taken from there.
fn fetch_auditlog(python: &Path, dir: &Path, stop: &Stop) -> Result<()> {
    let mut pip = Command::new(python);
    pip.args(["-m", "pip", "install", "--quiet", "--no-deps", "--target"]).arg(dir).arg(AUDITLOG_PACKAGE);
    capture(pip, stop)?;
    Ok(())
}

fn make_tree(dir: &Path, account: Account, stop: &Stop) -> Result<()> {
    let root = dir.join("root");
    fs::create_dir(&root)?;
    let unstable = Unstable::load(&dir.join("apt"), stop)?;
    unstable.unpack(&[PACKAGE], &root, stop)?;
    unstable.unpack(&LINKED, &root, stop)?;
    apt::unpack_of_this_release(&LINKED_OF_THIS_RELEASE, &root, stop)?;
    fs::remove_dir_all(dir.join("apt")).context("remove apt's lists")?;

    let packages = root.join("usr/lib/python3/dist-packages");
    if !packages.join("odoo/cli").is_dir() {
        bail!("the package {PACKAGE} has no odoo/cli where it is expected");
    }
    mend_links(&packages)?;
    // The unprivileged server may write its compiled files beside the sources.
    account.own(&packages.join("odoo"))?;
    fs::write(
        dir.join("odoo-bin"),
        format!(
            "import sys\nsys.path.insert(0, {:?})\nimport odoo.cli\nodoo.cli.main()\n",
            packages.display().to_string()
        ),
    )
    .context("write the script that starts Odoo")
}

/// Puts an empty file where a link still leads nowhere: Odoo turns a page that asks for such a
/// file into an error 500, and a missing font does not matter to any test.
fn mend_links(dir: &Path) -> Result<()> {
    for entry in fs::read_dir(dir).with_context(|| format!("read {}", dir.display()))? {
        let entry = entry?;
        let kind = entry.file_type()?;
        let path = entry.path();
        if kind.is_dir() {
            mend_links(&path)?;
        } else if kind.is_symlink() && !path.exists() {
            fs::remove_file(&path)?;
            fs::write(&path, "")?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dead_links_become_empty_files_and_live_ones_stay() {
        let dir = tempfile::tempdir().unwrap();
        let below = dir.path().join("a/b");
        fs::create_dir_all(&below).unwrap();
        fs::write(dir.path().join("target"), "font").unwrap();
        std::os::unix::fs::symlink("../../nowhere", below.join("dead")).unwrap();
        std::os::unix::fs::symlink("../../target", below.join("live")).unwrap();
        mend_links(dir.path()).unwrap();
        assert_eq!(fs::read_to_string(below.join("dead")).unwrap(), "");
        assert_eq!(fs::read_to_string(below.join("live")).unwrap(), "font");
        assert!(fs::symlink_metadata(below.join("live")).unwrap().is_symlink());
    }
}
