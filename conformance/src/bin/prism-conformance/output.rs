//! Terminal output. Write errors are ignored, since a pipe may be closed early, as by `| head`.

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

/// This program's name as it was called, quoted for a shell, so that printed commands can be pasted.
pub(crate) fn program() -> String {
    let called = std::env::args_os().next().map(|program| program.to_string_lossy().into_owned());
    quoted(called.as_deref().unwrap_or("prism-conformance"))
}

/// The progress of a run: a status line on a terminal, otherwise a line per case.
pub(crate) struct Meter {
    terminal: bool,
    trace: bool,
    failed: usize,
}

impl Meter {
    /// A meter at the start of a run.
    pub(crate) fn new(trace: bool) -> Self {
        Self { terminal: io::stdout().is_terminal(), trace, failed: 0 }
    }

    /// Prints a completed case.
    pub(crate) fn report(&mut self, case: &CaseReport, Progress { done, of }: Progress) {
        self.failed += usize::from(case.outcome.is_fault());
        let label = case.outcome.label();
        let line = format!("{label:13} {:56} {:>7} ms", case.id, case.elapsed_ms);
        if self.terminal && !self.trace {
            // Failures stay on the screen; the status line is overwritten.
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

    /// Clears the status line.
    pub(crate) fn end(&self) {
        print(if self.terminal && !self.trace { "\r\x1b[K" } else { "\n" });
    }
}
