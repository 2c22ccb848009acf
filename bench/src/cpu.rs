//! CPU usage of this process: a load generator short of CPU measures itself.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// Measures CPU usage from its creation on.
#[derive(Debug, Clone, Copy)]
pub struct CpuMeter {
    wall: Instant,
    used: Duration,
}

impl CpuMeter {
    /// Starts measuring.
    pub fn start() -> Self {
        Self { wall: Instant::now(), used: cpu_time() }
    }

    /// The fraction of all cores that this process has used since the start: 0 to 1.
    pub fn share(&self) -> f64 {
        let used = cpu_time().saturating_sub(self.used).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a machine has fewer than 2^52 cores")]
        let cores = crate::machine::cores() as f64;
        used / (self.wall.elapsed().as_secs_f64() * cores).max(f64::EPSILON)
    }
}

/// User and system time of all threads, as in getrusage.
fn cpu_time() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(spent.tv_sec).unwrap_or(0), u32::try_from(spent.tv_nsec).unwrap_or(0))
}

/// CPU time of all terminated and reaped child processes; 0 without /proc.
pub fn children_cpu_time() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The program name in parentheses may contain anything; cutime and cstime are fields 14 and 15 after it.
    let fields = stat.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        fields.split_whitespace().skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_uses_at_most_all_cores() {
        let meter = CpuMeter::start();
        let began = cpu_time();
        while cpu_time().saturating_sub(began) < Duration::from_millis(50) {}
        assert!(meter.share() > 0.0 && meter.share() <= 1.1, "{}", meter.share());
    }

    #[test]
    fn cpu_time_of_a_child_counts_once_it_has_ended() {
        let before = children_cpu_time();
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        std::process::Command::new("sh").args(["-c", script]).status().unwrap();
        assert!(children_cpu_time() > before);
    }
}
