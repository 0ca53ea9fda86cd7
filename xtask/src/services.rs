//! PostgreSQL and Redis for one run: on free ports of the loopback address, in a folder that
//! goes away with the run.

use std::{
    fs,
    io::{Read, Write},
    net::{Ipv4Addr, TcpListener, TcpStream},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    process::Command,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc,
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result};
use tempfile::TempDir;

use crate::{
    account::Account,
    process::{Service, Stop, capture, tied},
};

/// A folder for one run, in which each server gets a folder of its own.
pub(crate) struct RunDir(TempDir);

impl RunDir {
    /// Makes an empty folder that the servers' account can walk through.
    pub(crate) fn create() -> Result<Self> {
        let temp = std::env::temp_dir();
        remove_abandoned(&temp)?;
        let prefix = format!("{RUN_PREFIX}{}-", std::process::id());
        let dir = tempfile::Builder::new().prefix(&prefix).tempdir_in(temp)?;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755))?;
        Ok(Self(dir))
    }

    /// Makes the folder `name` for a server that runs as `account`.
    pub(crate) fn folder(&self, name: &str, account: Account) -> Result<PathBuf> {
        let path = self.0.path().join(name);
        fs::create_dir(&path).with_context(|| format!("create {}", path.display()))?;
        // PostgreSQL refuses a data folder that others may read.
        fs::set_permissions(&path, fs::Permissions::from_mode(0o700))?;
        account.own(&path)?;
        Ok(path)
    }

    /// A path in this folder.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }
}

/// Begins the name of every run's folder; the number of the process that made it follows.
const RUN_PREFIX: &str = "bridgecore-run-";

/// Removes the folders of runs that were killed before they could.
fn remove_abandoned(temp: &Path) -> Result<()> {
    for entry in fs::read_dir(temp)?.flatten() {
        let name = entry.file_name();
        let process = name.to_str().and_then(|name| name.strip_prefix(RUN_PREFIX)?.split('-').next());
        let Some(process) = process.filter(|process| process.parse::<u32>().is_ok()) else { continue };
        if !Path::new("/proc").join(process).exists() {
            // Another account's folder, or one that another run removes at this moment, is left alone.
            let _ = fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}

/// Whether a cluster must survive a crash of the machine, or may trade that for speed.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Durability {
    /// As in production: a commit is on the disk.
    Synced,
    /// For clusters that can be made again.
    Fast,
}

/// A running PostgreSQL server. Stops when dropped.
pub(crate) struct Postgres {
    service: Service,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
}

impl Postgres {
    /// Makes an empty cluster in the empty folder `data`, with the superuser `superuser`, whom
    /// every local connection may be.
    pub(crate) fn init(data: &Path, superuser: &str, account: Account, stop: &Stop) -> Result<()> {
        let mut command = Command::new(bin_dir()?.join("initdb"));
        command
            .arg("-D")
            .arg(data)
            .args(["-U", superuser, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8", "--no-sync"])
            // The caller's folder may be closed to the account.
            .current_dir("/");
        account.apply(&mut command);
        capture(command, stop)?;
        Ok(())
    }

    /// Starts the cluster in `data` on a free port. `log` is where its log goes.
    pub(crate) fn start(
        data: &Path,
        log: &Path,
        durability: Durability,
        account: Account,
        stop: &Stop,
    ) -> Result<Self> {
        Self::start_at(free_port()?, data, log, durability, account, stop)
    }

    /// The same on this port.
    fn start_at(
        port: u16,
        data: &Path,
        log: &Path,
        durability: Durability,
        account: Account,
        stop: &Stop,
    ) -> Result<Self> {
        // SIGINT asks for a fast shutdown; SIGTERM would wait for clients to leave.
        let mut command = tied(&bin_dir()?.join("postgres"), "INT");
        command.arg("-D").arg(data).args(["-p", &port.to_string()]).current_dir("/");
        let mut settings =
            vec!["listen_addresses=127.0.0.1", "unix_socket_directories=", "max_connections=300", "wal_level=logical"];
        // Each test that reads the log needs one of both, and several run at once.
        settings.extend(["max_replication_slots=50", "max_wal_senders=50"]);
        if postgres_version()? >= 14 {
            // After a crash the server would go through every file of every database otherwise.
            settings.push("recovery_init_sync_method=syncfs");
        }
        if durability == Durability::Fast {
            settings.extend(["fsync=off", "full_page_writes=off", "synchronous_commit=off"]);
        }
        for setting in settings {
            command.args(["-c", setting]);
        }
        account.apply(&mut command);
        let probe = bin_dir()?.join("pg_isready");
        let service = Service::start(command, log, "INT", stop, || {
            Command::new(&probe)
                .args(["-q", "-h", "127.0.0.1", "-p", &port.to_string()])
                .status()
                .is_ok_and(|status| status.success())
        })?;
        Ok(Self { service, port })
    }

    /// Runs SQL in the database `postgres` as `superuser`, one statement a call.
    pub(crate) fn sql(&self, superuser: &str, statement: &str, stop: &Stop) -> Result<String> {
        self.sql_in("postgres", superuser, statement, stop)
    }

    /// Runs SQL in `database` as `superuser`, and answers the bare rows.
    pub(crate) fn sql_in(&self, database: &str, superuser: &str, statement: &str, stop: &Stop) -> Result<String> {
        let mut command = Command::new(bin_dir()?.join("psql"));
        command
            .args(["-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-h", "127.0.0.1"])
            .args(["-p", &self.port.to_string(), "-U", superuser, "-d", database])
            .args(["-c", statement]);
        capture(command, stop)
    }
}

/// A PostgreSQL server that tests may kill: as a machine's init system would, it starts the server again, on the same
/// port. Stops when dropped.
pub(crate) struct Revived {
    port: u16,
    ending: Arc<AtomicBool>,
    /// Watches over the server; `None` once it has ended.
    watching: Option<JoinHandle<()>>,
}

impl Revived {
    /// Makes an empty cluster in which what was committed outlives a crash, and starts it.
    pub(crate) fn create(run: &RunDir, account: Account, stop: &Stop) -> Result<Self> {
        let data = run.folder("revived", account)?;
        Postgres::init(&data, "postgres", account, stop)?;
        let (log, ending, port) = (run.path("revived.log"), Arc::new(AtomicBool::new(false)), lasting_port()?);
        let (told, started) = mpsc::channel();
        let (asked, stop) = (Arc::clone(&ending), stop.clone());
        // The kernel ends a server when the thread that started it does, so that one thread starts it every time.
        let watching = thread::spawn(move || {
            let start = || Postgres::start_at(port, &data, &log, Durability::Synced, account, &stop);
            let mut running = match start() {
                Ok(postgres) => Some(postgres),
                Err(error) => return drop(told.send(Err(error))),
            };
            drop(told.send(Ok(())));
            while !asked.load(Ordering::SeqCst) && !stop.asked() {
                if running.as_mut().is_none_or(|postgres| !postgres.service.is_running()) {
                    // Processes that the last one left behind may still be about to end.
                    drop(running.take());
                    running = start().map_err(|error| eprintln!("start the server again: {error:#}")).ok();
                }
                thread::sleep(Duration::from_millis(50));
            }
        });
        started.recv().context("start a server")??;
        Ok(Self { port, ending, watching: Some(watching) })
    }

    /// The address of its first database.
    pub(crate) fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Revived {
    fn drop(&mut self) {
        self.ending.store(true, Ordering::SeqCst);
        if let Some(watching) = self.watching.take() {
            // A panic in it has been printed.
            let _ = watching.join();
        }
    }
}

/// The programs of the newest PostgreSQL on this machine; Debian keeps them off the PATH.
pub(crate) fn bin_dir() -> Result<PathBuf> {
    let version = postgres_version()?;
    Ok(format!("/usr/lib/postgresql/{version}/bin").into())
}

/// The major version of the newest PostgreSQL server on this machine.
pub(crate) fn postgres_version() -> Result<u32> {
    fs::read_dir("/usr/lib/postgresql")
        .context("look for PostgreSQL")?
        .flatten()
        .filter(|entry| entry.path().join("bin/postgres").is_file())
        .filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok())
        .max()
        .context("no PostgreSQL server is installed")
}

/// A running Redis server that writes nothing to disk. Stops when dropped.
pub(crate) struct Redis {
    _service: Service,
    /// Where it listens on 127.0.0.1.
    pub(crate) port: u16,
}

impl Redis {
    /// Starts a server on a free port. `log` is where its log goes.
    pub(crate) fn start(dir: &Path, log: &Path, account: Account, stop: &Stop) -> Result<Self> {
        let port = free_port()?;
        let mut command = tied(Path::new("redis-server"), "TERM");
        command
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1", "--save", ""])
            .args(["--appendonly", "no", "--dir"])
            .arg(dir)
            .current_dir("/");
        account.apply(&mut command);
        let service = Service::start(command, log, "TERM", stop, || answers_ping(port).unwrap_or(false))?;
        Ok(Self { _service: service, port })
    }
}

fn answers_ping(port: u16) -> std::io::Result<bool> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_read_timeout(Some(Duration::from_secs(1)))?;
    stream.write_all(b"PING\r\n")?;
    let mut answer = [0; 5];
    stream.read_exact(&mut answer)?;
    Ok(&answer == b"+PONG")
}

/// A port for a server that is not there at times. The kernel gives none of these to connections, of which one would
/// otherwise take it in such a time: even one to that very port, which is then connected with itself.
fn lasting_port() -> Result<u16> {
    let range = "/proc/sys/net/ipv4/ip_local_port_range";
    let text = fs::read_to_string(range).with_context(|| format!("read {range}"))?;
    let given_from: u16 = text.split_whitespace().next().and_then(|first| first.parse().ok()).unwrap_or(32_768);
    let lowest = (given_from / 2).max(1_024);
    // Two of these that run at once begin at different places.
    let first = lowest + u16::try_from(std::process::id() % u32::from(given_from - lowest))?;
    (first..given_from)
        .chain(lowest..first)
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .context("find a free port")
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).context("find a free port")?;
    Ok(listener.local_addr()?.port())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_of_runs_that_ended_are_removed_and_others_stay() {
        let temp = tempfile::tempdir().unwrap();
        let folder = |name: &str| {
            let path = temp.path().join(name);
            fs::create_dir_all(path.join("postgres")).unwrap();
            path
        };
        // Linux never gives a process this number.
        let ended = folder("bridgecore-run-4294967295-abc");
        let running = folder(&format!("bridgecore-run-{}-abc", std::process::id()));
        let foreign = folder("bridgecore-run-notes");
        remove_abandoned(temp.path()).unwrap();
        assert!(!ended.exists());
        assert!(running.exists());
        assert!(foreign.exists());
    }
}
