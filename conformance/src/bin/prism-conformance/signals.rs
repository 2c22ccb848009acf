//! The signals that end a run, each with cleanup.

use tokio::signal::unix::{Signal, SignalKind, signal};

/// A signal that ends a run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ending {
    /// SIGINT, as from Ctrl-C.
    Interrupt,
    /// SIGTERM, as from a process supervisor or a cancelled job.
    Terminate,
    /// SIGHUP, as from a closed terminal.
    HangUp,
}

impl Ending {
    /// The exit code, as in a shell: 128 plus the signal's number.
    pub(crate) fn code(self) -> u8 {
        match self {
            Self::Interrupt => 130,
            Self::Terminate => 143,
            Self::HangUp => 129,
        }
    }
}

/// The signal handlers. Once they are installed, the signals no longer end the process by default.
pub(crate) struct Signals {
    interrupt: Signal,
    terminate: Signal,
    /// `None`: SIGHUP is ignored, so that the process outlives the terminal, as with `nohup`.
    hang_up: Option<Signal>,
}

impl Signals {
    /// Installs the handlers, on the current runtime.
    pub(crate) fn listen() -> std::io::Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
            hang_up: if hang_up_is_ignored() { None } else { Some(signal(SignalKind::hangup())?) },
        })
    }

    /// Waits for the next signal.
    pub(crate) async fn next(&mut self) -> Ending {
        let hang_up = async {
            match &mut self.hang_up {
                Some(signal) => signal.recv().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            _ = self.interrupt.recv() => Ending::Interrupt,
            _ = self.terminate.recv() => Ending::Terminate,
            _ = hang_up => Ending::HangUp,
        }
    }
}

/// Whether this process was started with SIGHUP ignored. Without unsafe code this is known only on Linux; elsewhere: no.
fn hang_up_is_ignored() -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // Signal 1 is the lowest bit.
    mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).is_some_and(|mask| mask & 1 == 1)
}
