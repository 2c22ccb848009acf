//! The metrics of the process, under the names that all Prometheus clients use. On Linux only.

use std::fmt;

use super::page::Page;

/// Adds the metrics of this process.
#[cfg(target_os = "linux")]
pub(super) fn write(page: &mut Page<'_>) -> fmt::Result {
    // A system without /proc has none.
    let Some(process) = Process::read() else { return Ok(()) };
    page.gauge("process_start_time_seconds", "Start of the process, since 1970", [([], process.started)])?;
    page.counter_seconds("process_cpu_seconds", "User and system CPU time", process.cpu)?;
    page.gauge("process_resident_memory_bytes", "Resident memory", [([], process.resident)])?;
    page.gauge("process_virtual_memory_bytes", "Virtual memory", [([], process.virtual_memory)])?;
    page.gauge("process_threads", "Threads of the process", [([], process.threads)])?;
    page.gauge("process_open_fds", "Open file descriptors", [([], process.open_fds)])?;
    page.gauge("process_max_fds", "Maximum open file descriptors", process.max_fds.map(|most| ([], most)))
}

#[cfg(not(target_os = "linux"))]
pub(super) fn write(_: &mut Page<'_>) -> fmt::Result {
    Ok(())
}

/// What /proc reports of this process.
#[cfg(target_os = "linux")]
struct Process {
    cpu: f64,
    started: f64,
    resident: u64,
    virtual_memory: u64,
    threads: u64,
    open_fds: u64,
    /// `None`: no limit.
    max_fds: Option<u64>,
}

#[cfg(target_os = "linux")]
impl Process {
    fn read() -> Option<Self> {
        let stat = std::fs::read_to_string("/proc/self/stat").ok()?;
        // The name of the program, in parentheses, may hold anything.
        let fields: Vec<&str> = stat.rsplit_once(')')?.1.split_ascii_whitespace().collect();
        // Numbered as in proc(5), where the field behind the name is the third.
        let field = |number: usize| -> Option<u64> { fields.get(number - 3)?.parse().ok() };
        #[expect(clippy::cast_precision_loss, reason = "ticks of a process are far below 2^53")]
        let seconds = |ticks: u64| ticks as f64 / rustix::param::clock_ticks_per_second() as f64;
        Some(Self {
            cpu: seconds(field(14)? + field(15)?),
            started: boot_time()? + seconds(field(22)?),
            threads: field(20)?,
            virtual_memory: field(23)?,
            resident: field(24)? * rustix::param::page_size() as u64,
            open_fds: std::fs::read_dir("/proc/self/fd").ok()?.count() as u64,
            max_fds: rustix::process::getrlimit(rustix::process::Resource::Nofile).current,
        })
    }
}

/// When the system was booted, in seconds since 1970.
#[cfg(target_os = "linux")]
fn boot_time() -> Option<f64> {
    let stat = std::fs::read_to_string("/proc/stat").ok()?;
    stat.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()
}
