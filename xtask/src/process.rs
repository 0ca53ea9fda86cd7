//! Running other programs so that none of them outlives this one.
//!
//! Every child gets a process group of its own, which is stopped as a whole. Long-lived
//! services are also started under `setpriv --pdeathsig`, so that the kernel stops them even
//! when this process is killed and gets no chance to clean up.

use std::{
    io::{BufRead, BufReader},
    os::unix::process::CommandExt,
    path::Path,
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{self, RecvTimeoutError},
    },
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

/// Whether somebody asked this run to stop (Ctrl-C, SIGTERM).
#[derive(Clone)]
pub(crate) struct Stop(Arc<AtomicBool>);

impl Stop {
    /// Starts to listen for the signals that ask a program to end.
    pub(crate) fn listen() -> Result<Self> {
        let asked = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            // A second signal ends the process at once: the first one may be stuck in a clean-up.
            signal_hook::flag::register_conditional_shutdown(signal, 130, Arc::clone(&asked))?;
            signal_hook::flag::register(signal, Arc::clone(&asked))?;
        }
        Ok(Self(asked))
    }

    /// True once a signal came.
    pub(crate) fn asked(&self) -> bool {
        self.0.load(Ordering::SeqCst)
    }

    /// An error once a signal came, to leave a chain of steps with `?`.
    pub(crate) fn check(&self) -> Result<()> {
        if self.asked() {
            bail!("interrupted");
        }
        Ok(())
    }

    /// Sleeps until a signal comes.
    pub(crate) fn wait(&self) {
        while !self.asked() {
            thread::sleep(POLL);
        }
    }

    /// A listener that nothing ever stops.
    #[cfg(test)]
    pub(crate) fn never() -> Self {
        Self(Arc::new(AtomicBool::new(false)))
    }
}

const POLL: Duration = Duration::from_millis(50);

/// Runs a program, hands each line of its output (both streams) to `on_line`, and answers its
/// exit status. Stopped with its whole process group when the run is interrupted.
pub(crate) fn stream(command: Command, stop: &Stop, on_line: &mut dyn FnMut(&str)) -> Result<ExitStatus> {
    stream_with(command, stop, "", on_line)
}

/// As `stream`, with `input` on the program's standard input (a few kilobytes at most: it is
/// written before any output is read).
pub(crate) fn stream_with(
    mut command: Command,
    stop: &Stop,
    input: &str,
    on_line: &mut dyn FnMut(&str),
) -> Result<ExitStatus> {
    stop.check()?;
    let name = name_of(&command);
    let (reader, writer) = std::io::pipe().context("open a pipe")?;
    command
        .stdin(if input.is_empty() { Stdio::null() } else { Stdio::piped() })
        .stdout(writer.try_clone().context("copy a pipe")?)
        .stderr(writer)
        .process_group(0);
    let mut child = command.spawn().with_context(|| format!("start {name}"))?;
    // The command holds the writing ends; the reader only sees the end once they are closed.
    drop(command);
    if let Some(mut stdin) = child.stdin.take() {
        std::io::Write::write_all(&mut stdin, input.as_bytes()).with_context(|| format!("write to {name}"))?;
    }
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        let mut reader = BufReader::new(reader);
        let mut line = Vec::new();
        while reader.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            line.clear();
            if sender.send(text).is_err() {
                return;
            }
        }
    });
    loop {
        match lines.recv_timeout(POLL) {
            Ok(line) => on_line(&line),
            Err(RecvTimeoutError::Disconnected) => break,
            // A grandchild that was left behind may hold the pipe for ever.
            Err(RecvTimeoutError::Timeout) if child.try_wait()?.is_some() => break,
            Err(RecvTimeoutError::Timeout) => {}
        }
        if stop.asked() {
            end_group(&mut child, "TERM", Duration::from_secs(10));
            bail!("{name} was interrupted");
        }
    }
    child.wait().with_context(|| format!("wait for {name}"))
}

/// Runs a program silently and answers what it printed. A failure carries the end of that.
pub(crate) fn capture(command: Command, stop: &Stop) -> Result<String> {
    capture_with(command, stop, "")
}

/// As `capture`, with `input` on the program's standard input.
pub(crate) fn capture_with(command: Command, stop: &Stop, input: &str) -> Result<String> {
    let name = name_of(&command);
    let mut output = String::new();
    let status = stream_with(command, stop, input, &mut |line| {
        output.push_str(line);
        output.push('\n');
    })?;
    if !status.success() {
        bail!("{name} failed ({status}):\n{}", tail(&output, 40));
    }
    Ok(output)
}

/// A program that runs until it is dropped.
pub(crate) struct Service {
    child: Child,
    name: String,
    stop_signal: &'static str,
    log: std::path::PathBuf,
}

impl Service {
    /// Starts `command` with its output in the file `log`, and waits until `ready` says yes.
    /// `stop_signal` (as "INT") is what makes this program end in an orderly way.
    pub(crate) fn start(
        mut command: Command,
        log: &Path,
        stop_signal: &'static str,
        stop: &Stop,
        mut ready: impl FnMut() -> bool,
    ) -> Result<Self> {
        let name = name_of(&command);
        let file = std::fs::File::create(log).with_context(|| format!("create {}", log.display()))?;
        command
            .stdin(Stdio::null())
            .stdout(file.try_clone().context("copy a file handle")?)
            .stderr(file)
            .process_group(0);
        let child = command.spawn().with_context(|| format!("start {name}"))?;
        let mut service = Self { child, name, stop_signal, log: log.to_owned() };
        let deadline = now() + Duration::from_mins(1);
        while !ready() {
            stop.check()?;
            if let Some(status) = service.child.try_wait()? {
                bail!("{} ended at once ({status}):\n{}", service.name, service.log_tail());
            }
            if now() > deadline {
                bail!("{} was not ready within 60 s:\n{}", service.name, service.log_tail());
            }
            thread::sleep(POLL);
        }
        Ok(service)
    }

    /// Whether it has not ended by itself.
    pub(crate) fn is_running(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    fn log_tail(&self) -> String {
        tail(&std::fs::read_to_string(&self.log).unwrap_or_default(), 30)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        end_group(&mut self.child, self.stop_signal, Duration::from_secs(15));
    }
}

/// A command that the kernel ends with `signal` when this process dies.
pub(crate) fn tied(program: &Path, signal: &str) -> Command {
    let mut command = Command::new("setpriv");
    command.arg("--pdeathsig").arg(signal).arg("--").arg(program);
    command
}

/// The current instant, for deadlines and for the times in the report.
#[expect(clippy::disallowed_methods, reason = "a command line tool has no replayable clock")]
pub(crate) fn now() -> Instant {
    Instant::now()
}

fn end_group(child: &mut Child, signal: &str, patience: Duration) {
    let group = child.id().to_string();
    let send = |signal: &str| {
        let _ = Command::new("sh").args(["-c", r#"kill -s "$1" -- "-$2" 2>/dev/null"#, "sh", signal, &group]).status();
    };
    send(signal);
    let deadline = now() + patience;
    while matches!(child.try_wait(), Ok(None)) && now() < deadline {
        thread::sleep(POLL);
    }
    // What is left of the group after its leader ended is ended too.
    send("KILL");
    let _ = child.wait();
}

fn name_of(command: &Command) -> String {
    let program = command.get_program();
    // Under setpriv, the program of interest follows the `--`.
    let shown = if program == "setpriv" {
        command.get_args().skip_while(|arg| *arg != "--").nth(1).unwrap_or(program)
    } else {
        program
    };
    Path::new(shown).file_name().unwrap_or(shown).to_string_lossy().into_owned()
}

fn tail(text: &str, lines_max: usize) -> String {
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(lines_max)..].join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn both_streams_arrive_line_by_line_and_the_status_is_kept() {
        let mut lines = Vec::new();
        let status = stream(shell("echo one; echo two >&2; exit 3"), &Stop::never(), &mut |line| {
            lines.push(line.to_owned());
        })
        .unwrap();
        assert_eq!(lines, ["one", "two"]);
        assert_eq!(status.code(), Some(3));
    }

    #[test]
    fn a_failure_carries_the_end_of_the_output() {
        let error = capture(shell("echo the reason; exit 1"), &Stop::never()).unwrap_err();
        assert!(error.to_string().contains("the reason"), "{error}");
    }

    #[test]
    fn input_reaches_the_program() {
        let output = capture_with(shell("tr a-z A-Z"), &Stop::never(), "shout").unwrap();
        assert_eq!(output, "SHOUT\n");
    }

    #[test]
    fn a_dropped_service_ends_with_its_whole_group() {
        let dir = tempfile::tempdir().unwrap();
        let pids = dir.path().join("pids");
        // The leader starts a child of its own; both must be gone afterwards.
        let script = format!("sleep 600 & echo $! > {0}.new; mv {0}.new {0}; wait", pids.display());
        let service =
            Service::start(shell(&script), &dir.path().join("log"), "TERM", &Stop::never(), || pids.exists()).unwrap();
        let grandchild = std::fs::read_to_string(&pids).unwrap().trim().to_owned();
        let state = || std::fs::read_to_string(format!("/proc/{grandchild}/stat"));
        assert!(state().is_ok());
        drop(service);
        let deadline = now() + Duration::from_secs(10);
        // A zombie that nobody has collected yet has ended, too.
        while state().is_ok_and(|stat| !stat.contains(") Z ")) {
            assert!(now() < deadline, "process {grandchild} outlived its service");
            thread::yield_now();
        }
    }
}
