//! Debian packages: those the tests need installed, and those that are only unpacked.

use std::{
    ffi::OsString,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, Result, bail};

use crate::{
    account,
    process::{Stop, capture},
};

/// Installs what is missing of `packages`. Without root's rights a missing package is an error
/// that names the command to run.
pub(crate) fn install(packages: &[&str], stop: &Stop) -> Result<()> {
    let missing = missing(packages, stop)?;
    if missing.is_empty() {
        return Ok(());
    }
    let names = missing.join(" ");
    if !account::is_root()? {
        bail!("packages are missing; run: sudo apt-get install --no-install-recommends {names}");
    }
    println!("xtask: installing {names}");
    let apt_get = || {
        let mut command = Command::new("apt-get");
        command.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-y", "-o", "Acquire::Retries=3"]);
        command
    };
    let mut update = apt_get();
    update.arg("update");
    capture(update, stop)?;
    let mut install = apt_get();
    install.args(["install", "--no-install-recommends"]).args(&missing);
    capture(install, stop)?;
    Ok(())
}

fn missing<'a>(packages: &[&'a str], stop: &Stop) -> Result<Vec<&'a str>> {
    let mut query = Command::new("dpkg-query");
    query.args(["-W", "-f", "${Package} ${db:Status-Status}\n"]).args(packages);
    let mut installed = Vec::new();
    // The query fails as a whole when it knows one of the names not at all; its lines count.
    crate::process::stream(query, stop, &mut |line| {
        if let Some((name, "installed")) = line.split_once(' ') {
            installed.push(name.to_owned());
        }
    })?;
    Ok(packages.iter().copied().filter(|name| !installed.iter().any(|have| have == name)).collect())
}

/// Debian's unstable suite beside the system's own package lists: packages are downloaded
/// from it and unpacked, never installed.
pub(crate) struct Unstable {
    options: Vec<OsString>,
}

impl Unstable {
    /// Loads the suite's package list into `dir`, from the mirror this machine already uses.
    pub(crate) fn load(dir: &Path, stop: &Stop) -> Result<Self> {
        let mirror = machine_mirror()?;
        for part in ["lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(dir.join(part)).context("create apt's folders")?;
        }
        let list = dir.join("unstable.list");
        fs::write(&list, mirror.source_line("sid")).context("write apt's source list")?;
        let mut options = Vec::new();
        for (key, value) in [
            ("Dir::Etc::SourceList", list.as_path()),
            ("Dir::Etc::SourceParts", Path::new("/dev/null")),
            ("Dir::State::Lists", &dir.join("lists")),
            ("Dir::Cache", &dir.join("cache")),
            // apt's own unprivileged user can't write into this folder.
            ("APT::Sandbox::User", Path::new("root")),
            ("Acquire::Languages", Path::new("none")),
            ("Acquire::Retries", Path::new("3")),
        ] {
            let mut option = OsString::from(format!("{key}="));
            option.push(value);
            options.extend(["-o".into(), option]);
        }
        let unstable = Self { options };
        let mut update = unstable.apt_get();
        update.args(["--error-on=any", "update"]);
        capture(update, stop).context("load the package list of Debian unstable")?;
        Ok(unstable)
    }

    /// Downloads `packages` and unpacks them into `tree`.
    pub(crate) fn unpack(&self, packages: &[&str], tree: &Path, stop: &Stop) -> Result<()> {
        download_and_unpack(self.apt_get(), packages, tree, stop)
    }

    fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.arg("-q").args(&self.options);
        command
    }
}

/// Downloads `packages` of this machine's own Debian release and unpacks them into `tree`.
pub(crate) fn unpack_of_this_release(packages: &[&str], tree: &Path, stop: &Stop) -> Result<()> {
    let mut apt_get = Command::new("apt-get");
    apt_get.args(["-q", "-o", "APT::Sandbox::User=root", "-o", "Acquire::Retries=3"]);
    download_and_unpack(apt_get, packages, tree, stop)
}

fn download_and_unpack(mut apt_get: Command, packages: &[&str], tree: &Path, stop: &Stop) -> Result<()> {
    let downloads = tempfile::tempdir_in(tree.parent().unwrap_or(tree))?;
    apt_get.current_dir(downloads.path()).arg("download").args(packages);
    capture(apt_get, stop)?;
    for entry in fs::read_dir(downloads.path())? {
        let mut unpack = Command::new("dpkg");
        unpack.arg("-x").arg(entry?.path()).arg(tree);
        capture(unpack, stop)?;
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
struct Mirror {
    uri: String,
    signed_by: Option<String>,
}

impl Mirror {
    fn source_line(&self, suite: &str) -> String {
        let options = self.signed_by.as_ref().map_or(String::new(), |path| format!("[signed-by={path}] "));
        format!("deb {options}{} {suite} main\n", self.uri)
    }
}

/// The mirror's address is the machine's business: it is read from apt's own configuration.
fn machine_mirror() -> Result<Mirror> {
    let release = fs::read_to_string("/etc/os-release").context("read /etc/os-release")?;
    let codename = release
        .lines()
        .find_map(|line| line.strip_prefix("VERSION_CODENAME="))
        .context("/etc/os-release names no release")?
        .trim_matches('"');
    let mut files = vec![PathBuf::from("/etc/apt/sources.list")];
    if let Ok(entries) = fs::read_dir("/etc/apt/sources.list.d") {
        let mut parts: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
        parts.sort();
        files.extend(parts);
    }
    files
        .iter()
        .find_map(|path| {
            let text = fs::read_to_string(path).ok()?;
            match path.extension()?.to_str()? {
                "list" => in_one_line_style(&text, codename),
                "sources" => in_stanzas(&text, codename),
                _ => None,
            }
        })
        .with_context(|| format!("apt's configuration names no mirror of Debian {codename}"))
}

/// `deb [signed-by=…] URI suite component…`, one a line.
fn in_one_line_style(text: &str, suite: &str) -> Option<Mirror> {
    text.lines().find_map(|line| {
        let rest = line.trim().strip_prefix("deb ")?.trim_start();
        let (options, rest) = match rest.strip_prefix('[') {
            Some(rest) => rest.split_once(']')?,
            None => ("", rest),
        };
        let mut words = rest.split_whitespace();
        let uri = words.next()?;
        let holds_it = words.next()? == suite && words.any(|component| component == "main");
        let signed_by = options.split_whitespace().find_map(|option| option.strip_prefix("signed-by="));
        holds_it.then(|| Mirror { uri: uri.to_owned(), signed_by: signed_by.map(str::to_owned) })
    })
}

/// Stanzas of `Field: value` lines, apart by empty lines.
fn in_stanzas(text: &str, suite: &str) -> Option<Mirror> {
    let without_comments: String =
        text.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line.trim_end(), "\n"]).collect();
    without_comments.split("\n\n").find_map(|stanza| {
        let field = |name: &str| {
            stanza.lines().find_map(|line| {
                let (key, value) = line.split_once(':')?;
                key.eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let has = |name, word| field(name)?.split_whitespace().find(|have| *have == word);
        has("Types", "deb")?;
        has("Suites", suite)?;
        has("Components", "main")?;
        if field("Enabled").is_some_and(|value| value.eq_ignore_ascii_case("no")) {
            return None;
        }
        // A key written into the stanza itself (instead of a path) is left to apt's trusted keys.
        let signed_by = field("Signed-By").filter(|value| value.starts_with('/'));
        Some(Mirror {
            uri: field("URIs")?.split_whitespace().next()?.to_owned(),
            signed_by: signed_by.map(str::to_owned),
        })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mirror(uri: &str, signed_by: Option<&str>) -> Mirror {
        Mirror { uri: uri.to_owned(), signed_by: signed_by.map(str::to_owned) }
    }

    #[test]
    fn the_mirror_is_found_in_one_line_style() {
        let text = "# deb http://no.example/debian bookworm main\n\
            deb-src http://no.example/debian bookworm main\n\
            deb http://security.example/debian bookworm-security main\n\
            deb [arch=amd64 signed-by=/k.gpg] http://mirror.example/debian bookworm main contrib\n";
        assert_eq!(in_one_line_style(text, "bookworm"), Some(mirror("http://mirror.example/debian", Some("/k.gpg"))));
        assert_eq!(in_one_line_style(text, "trixie"), None);
        assert_eq!(
            in_one_line_style("deb http://plain.example/ bookworm main", "bookworm"),
            Some(mirror("http://plain.example/", None))
        );
    }

    #[test]
    fn the_mirror_is_found_in_stanzas() {
        let text = "Types: deb\nURIs: http://off.example/\nSuites: bookworm\nComponents: main\n\
            Enabled: no\n\nTypes: deb\nURIs: http://nodes.example/\nSuites: nodistro\n\
            Components: main\n\nTypes: deb deb-src\n# an older address\n\
            URIs: http://mirror.example/debian http://other.example\n\
            Suites: bookworm bookworm-updates\nComponents: main\nSigned-By: /k.gpg\n";
        assert_eq!(in_stanzas(text, "bookworm"), Some(mirror("http://mirror.example/debian", Some("/k.gpg"))));
        assert_eq!(in_stanzas(text, "bookworm-security"), None);
    }

    #[test]
    fn a_source_line_names_the_suite_and_the_key() {
        let found = mirror("http://mirror.example/debian", Some("/k.gpg"));
        assert_eq!(found.source_line("sid"), "deb [signed-by=/k.gpg] http://mirror.example/debian sid main\n");
    }
}
