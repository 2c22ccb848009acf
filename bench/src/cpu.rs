//! How much of the machine this process itself uses: a load generator that is short of it measures itself.

use std::time::{Duration, Instant};

use rustix::time::{ClockId, clock_gettime};

/// A moment to count from.
#[derive(Debug, Clone, Copy)]
pub struct Since {
    wall: Instant,
    used: Duration,
}

impl Since {
    /// Counts from now on.
    pub fn now() -> Self {
        Self { wall: Instant::now(), used: used() }
    }

    /// The share of all cores that this process has used since: 0 to 1.
    pub fn share(&self) -> f64 {
        let used = used().saturating_sub(self.used).as_secs_f64();
        #[expect(clippy::cast_precision_loss, reason = "a machine has fewer than 2^52 cores")]
        let cores = crate::machine::cores() as f64;
        used / (self.wall.elapsed().as_secs_f64() * cores).max(f64::EPSILON)
    }
}

/// User and system time of all threads, as getrusage counts it.
fn used() -> Duration {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(u64::try_from(spent.tv_sec).unwrap_or(0), u32::try_from(spent.tv_nsec).unwrap_or(0))
}

/// The same of all children that have ended and been waited for, as far as the system tells.
pub fn children() -> Duration {
    let fields = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    // The name of the program, in parentheses, may hold anything; user and system time of children are 14 and 15 behind it.
    let behind = fields.rsplit(')').next().unwrap_or_default();
    let ticks: u64 =
        behind.split_whitespace().skip(13).take(2).filter_map(|field| field.parse::<u64>().ok()).sum();
    Duration::from_millis(ticks * 1000 / rustix::param::clock_ticks_per_second().max(1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_busy_thread_uses_the_share_of_a_core() {
        let since = Since::now();
        let began = used();
        while used().saturating_sub(began) < Duration::from_millis(50) {}
        assert!(since.share() > 0.0 && since.share() <= 1.1, "{}", since.share());
    }

    #[test]
    fn what_a_child_used_is_counted_when_it_has_ended() {
        let before = children();
        let script = "i=0; while [ $i -lt 200000 ]; do i=$((i+1)); done";
        std::process::Command::new("sh").args(["-c", script]).status().unwrap();
        assert!(children() > before);
    }
}
