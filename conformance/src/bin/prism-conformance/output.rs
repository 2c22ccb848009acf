//! What is written to the terminal. A closed pipe, as of `| head`, is nobody's mistake.

use std::fmt;
use std::io::{self, IsTerminal, Write};

use prism_conformance::report::{CaseReport, quoted};
use prism_conformance::run::Progress;

/// Writes to standard output.
pub(crate) fn print(text: impl fmt::Display) {
    let _ = write!(io::stdout(), "{text}");
    let _ = io::stdout().flush();
}

/// Writes a line to standard error.
pub(crate) fn eprint(text: impl fmt::Display) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// How this program was called, as a shell takes it: a line that is printed must work where it is pasted.
pub(crate) fn program() -> String {
    let called = std::env::args_os().next().map(|program| program.to_string_lossy().into_owned());
    quoted(called.as_deref().unwrap_or("prism-conformance"))
}

/// Tells how far a run is: on a terminal in one line that changes, elsewhere in a line per case.
pub(crate) struct Meter {
    terminal: bool,
    trace: bool,
    failed: usize,
}

impl Meter {
    /// Nothing done yet.
    pub(crate) fn new(trace: bool) -> Self {
        Self { terminal: io::stdout().is_terminal(), trace, failed: 0 }
    }

    /// One more case is done.
    pub(crate) fn tell(&mut self, case: &CaseReport, Progress { done, of }: Progress) {
        self.failed += usize::from(case.outcome.is_fault());
        let label = case.outcome.label();
        let line = format!("{label:13} {:56} {:>7} ms", case.id, case.elapsed_ms);
        if self.terminal && !self.trace {
            // Failures stay on the screen, all else is overwritten.
            if case.outcome.is_fault() {
                print(format_args!("\r\x1b[K{line}\n"));
            }
            let failed = if self.failed > 0 { format!(", {} failed", self.failed) } else { String::new() };
            print(format_args!("\r\x1b[K[{done}/{of}{failed}] {}", case.id));
        } else {
            print(format_args!("{line}\n"));
        }
        if self.trace {
            for line in case.transcript.iter().flat_map(|transcript| transcript.lines()) {
                print(format_args!("    {line}\n"));
            }
        }
    }

    /// Leaves the line that changes.
    pub(crate) fn end(&self) {
        print(if self.terminal && !self.trace { "\r\x1b[K" } else { "\n" });
    }
}
