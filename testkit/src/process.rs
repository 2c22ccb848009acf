//! Process identity that is safe against pid reuse: pid and start time, from /proc or `ps`.

use std::fs;
use std::process::Command;
use std::str::FromStr;

/// A process on this machine, by pid and start time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Letters and digits: clock ticks since boot with /proc, else the output of `ps` without spaces.
    pub(crate) start: String,
}

/// The system's record of an existing process.
struct Facts {
    parent: u32,
    name: String,
    start: String,
    /// Ended, but not yet reaped by its parent.
    zombie: bool,
}

impl Process {
    pub(crate) fn own() -> Self {
        let pid = std::process::id();
        let start = facts(pid).map(|facts| facts.start).unwrap_or_default();
        Self { pid, start }
    }

    /// The process that owns this test run: the nearest ancestor that is cargo or a cargo test runner, because it starts all
    /// test binaries of a run; without one, this process.
    pub(crate) fn run() -> Self {
        const RUNNERS: [&str; 4] = ["cargo", "cargo-nextest", "cargo-llvm-cov", "cargo-mutants"];
        let mut pid = std::process::id();
        while let Some(Facts { parent, .. }) = facts(pid) {
            let Some(ancestor) = facts(parent) else { break };
            if RUNNERS.contains(&ancestor.name.as_str()) {
                return Self { pid: parent, start: ancestor.start };
            }
            pid = parent;
        }
        Self::own()
    }

    /// Whether it still runs. A zombie does not.
    pub(crate) fn alive(&self) -> bool {
        facts(self.pid).is_some_and(|facts| facts.start == self.start && !facts.zombie)
    }
}

impl std::fmt::Display for Process {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}-{}", self.pid, self.start)
    }
}

impl FromStr for Process {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (pid, start) = text.split_once('-').ok_or(())?;
        if start.is_empty() || !start.chars().all(|c| c.is_ascii_alphanumeric()) {
            return Err(());
        }
        Ok(Self { pid: pid.parse().map_err(|_| ())?, start: start.to_owned() })
    }
}

/// Whether a process with this pid runs.
pub(crate) fn exists(pid: u32) -> bool {
    facts(pid).is_some_and(|facts| !facts.zombie)
}

/// Current child processes of `parent`.
pub(crate) fn children(parent: u32) -> Vec<u32> {
    let all: Vec<u32> = match fs::read_dir("/proc") {
        Ok(entries) => {
            entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect()
        }
        Err(_) => Command::new("ps")
            .args(["-A", "-o", "pid="])
            .output()
            .map(|output| {
                String::from_utf8_lossy(&output.stdout)
                    .split_whitespace()
                    .filter_map(|pid| pid.parse().ok())
                    .collect()
            })
            .unwrap_or_default(),
    };
    all.into_iter().filter(|pid| facts(*pid).is_some_and(|facts| facts.parent == parent)).collect()
}

fn facts(pid: u32) -> Option<Facts> {
    if fs::exists("/proc/self/stat").unwrap_or(false) {
        from_stat(&fs::read_to_string(format!("/proc/{pid}/stat")).ok()?)
    } else {
        from_ps(pid)
    }
}

/// Parses /proc/PID/stat (proc(5)): `pid (name) state ppid … starttime …`; the name may contain spaces and parentheses.
fn from_stat(line: &str) -> Option<Facts> {
    let (before, after) = line.rsplit_once(") ")?;
    let (_, name) = before.split_once('(')?;
    let fields: Vec<&str> = after.split(' ').collect();
    Some(Facts {
        parent: fields.get(1)?.parse().ok()?,
        name: name.to_owned(),
        start: (*fields.get(19)?).to_owned(),
        zombie: ["Z", "X"].contains(fields.first()?),
    })
}

fn from_ps(pid: u32) -> Option<Facts> {
    let column = |format: &str| {
        let output = Command::new("ps").args(["-o", format, "-p", &pid.to_string()]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let name = column("comm=")?;
    Some(Facts {
        parent: column("ppid=")?.parse().ok()?,
        name: name.rsplit('/').next().unwrap_or(&name).to_owned(),
        start: column("lstart=")?.chars().filter(char::is_ascii_alphanumeric).collect(),
        zombie: column("state=")?.starts_with('Z'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_spaces_and_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) b (c)) Z 3 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let facts = from_stat(line).unwrap();
        assert_eq!((facts.parent, facts.name.as_str()), (3, "a) b (c)"));
        assert_eq!((facts.start.as_str(), facts.zombie), ("4711", true));
    }

    #[test]
    fn a_reused_pid_with_another_start_time_is_not_alive() {
        let own = Process::own();
        assert!(own.alive());
        assert!(!Process { start: format!("{}0", own.start), ..own }.alive());
    }

    #[test]
    fn display_and_from_str_round_trip() {
        let own = Process::own();
        assert_eq!(own.to_string().parse(), Ok(own));
        assert_eq!("12-".parse::<Process>(), Err(()));
        assert_eq!("12-a/b".parse::<Process>(), Err(()));
    }
}
