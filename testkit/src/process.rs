//! A process named so that its id cannot be mistaken for that of a later one: id and start time, from /proc or from `ps`.

use std::fs;
use std::process::Command;
use std::str::FromStr;

/// A process of this machine, by id and start time.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) pid: u32,
    /// Letters and digits: clock ticks since boot where there is a /proc, else what `ps` prints, without its blanks.
    pub(crate) start: String,
}

/// What the system says of a process that exists.
struct Facts {
    parent: u32,
    name: String,
    start: String,
    /// It has ended, and its parent has not asked how.
    zombie: bool,
}

impl Process {
    pub(crate) fn own() -> Self {
        let pid = std::process::id();
        let start = facts(pid).map(|facts| facts.start).unwrap_or_default();
        Self { pid, start }
    }

    /// The process that this run of the tests belongs to: the nearest ancestor that is cargo or one of its commands that
    /// run tests, because one such process starts all test binaries of a run; without one, this process.
    pub(crate) fn run() -> Self {
        const RUNNERS: [&str; 4] = ["cargo", "cargo-nextest", "cargo-llvm-cov", "cargo-mutants"];
        let mut pid = std::process::id();
        while let Some(Facts { parent, .. }) = facts(pid) {
            let Some(above) = facts(parent) else { break };
            if RUNNERS.contains(&above.name.as_str()) {
                return Self { pid: parent, start: above.start };
            }
            pid = parent;
        }
        Self::own()
    }

    /// Whether it still runs. A process that only waits for its parent to notice its end does not.
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

/// Whether a process with this id runs.
pub(crate) fn exists(pid: u32) -> bool {
    facts(pid).is_some_and(|facts| !facts.zombie)
}

/// The processes that `parent` started and that are still its own.
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

/// Reads proc(5)'s stat: `pid (name) state ppid … starttime …`, where the name may hold blanks and parentheses.
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
    let ask = |what: &str| {
        let output = Command::new("ps").args(["-o", what, "-p", &pid.to_string()]).output().ok()?;
        let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
        (!text.is_empty()).then_some(text)
    };
    let name = ask("comm=")?;
    Some(Facts {
        parent: ask("ppid=")?.parse().ok()?,
        name: name.rsplit('/').next().unwrap_or(&name).to_owned(),
        start: ask("lstart=")?.chars().filter(char::is_ascii_alphanumeric).collect(),
        zombie: ask("state=")?.starts_with('Z'),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_blanks_and_parentheses_does_not_shift_the_fields() {
        let line = "7 (a) b (c)) Z 3 7 7 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 4711 0 0";
        let facts = from_stat(line).unwrap();
        assert_eq!((facts.parent, facts.name.as_str()), (3, "a) b (c)"));
        assert_eq!((facts.start.as_str(), facts.zombie), ("4711", true));
    }

    #[test]
    fn this_process_is_alive_and_one_with_its_id_and_another_start_is_not() {
        let own = Process::own();
        assert!(own.alive());
        assert!(!Process { start: format!("{}0", own.start), ..own }.alive());
    }

    #[test]
    fn a_process_is_read_back_from_what_is_written() {
        let own = Process::own();
        assert_eq!(own.to_string().parse(), Ok(own));
        assert_eq!("12-".parse::<Process>(), Err(()));
        assert_eq!("12-a/b".parse::<Process>(), Err(()));
    }
}
