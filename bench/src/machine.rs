//! The machine of a measurement, for the report.

use std::fs::read_to_string;

use serde::Serialize;

/// The machine.
#[derive(Debug, Clone, Serialize)]
pub struct Machine {
    /// Cores that this process may use.
    pub cores: usize,
    /// The processor's model name.
    pub cpu: String,
    /// The kernel's name and release.
    pub kernel: String,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

impl Machine {
    /// The current machine. Unknown values are empty or 0.
    pub fn here() -> Self {
        let uname = rustix::system::uname();
        Self {
            cores: cores(),
            cpu: field("/proc/cpuinfo", "model name").unwrap_or_default(),
            kernel: format!("{} {}", uname.sysname().to_string_lossy(), uname.release().to_string_lossy()),
            memory_bytes: field("/proc/meminfo", "MemTotal").and_then(|text| kilobytes(&text)).unwrap_or(0),
        }
    }

    /// One human-readable line.
    pub fn line(&self) -> String {
        let gib = self.memory_bytes >> 30;
        format!("{} cores ({}), {gib} GiB of memory, {}", self.cores, self.cpu, self.kernel)
    }
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// The command line, without the program's path and the credentials in URLs.
pub fn command() -> String {
    let arguments: Vec<String> = std::env::args().skip(1).map(|argument| masked(&argument)).collect();
    format!("prism-bench {}", arguments.join(" "))
}

/// Masks user and password of a URL.
fn masked(argument: &str) -> String {
    match argument.split_once("://").map(|(scheme, rest)| (scheme, rest.rsplit_once('@'))) {
        Some((scheme, Some((_, host)))) => format!("{scheme}://***@{host}"),
        _ => argument.to_owned(),
    }
}

/// The value of the first line `name: value` of a file of `/proc`.
pub(crate) fn field(path: &str, name: &str) -> Option<String> {
    let text = read_to_string(path).ok()?;
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim_start().strip_prefix(':'));
    value.map(|value| value.trim().to_owned())
}

/// Bytes, of `123 kB`.
pub(crate) fn kilobytes(text: &str) -> Option<u64> {
    text.split(' ').next()?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn credentials_in_a_url_are_masked() {
        assert_eq!(masked("postgres://me:se@cret@host/db"), "postgres://***@host/db");
        assert_eq!(masked("--postgres=postgres://me:secret@host/db"), "--postgres=postgres://***@host/db");
        assert_eq!(masked("http://127.0.0.1:8980"), "http://127.0.0.1:8980");
    }

    #[test]
    fn the_machine_has_cores_and_memory_is_in_bytes() {
        let machine = Machine::here();
        assert!(machine.cores > 0);
        assert_eq!(kilobytes("24 kB"), Some(24 * 1024));
    }
}
