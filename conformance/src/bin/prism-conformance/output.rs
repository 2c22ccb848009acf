//! Terminal output. Write errors are ignored, since a pipe may be closed early, as by `| head`.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};
use prism_conformance::report::{CaseReport, Layout, quoted};
use prism_conformance::run::Progress;

/// Widths that the report is laid out for.
const WIDTHS: std::ops::RangeInclusive<usize> = 40..=120;

/// Interval of the progress lines where there is no terminal.
const INTERVAL: Duration = Duration::from_secs(30);

/// Writes to standard output; colours are removed where they are not wanted.
pub(crate) fn print(text: impl fmt::Display) {
    let mut out = anstream::stdout();
    let _ = write!(out, "{text}");
    let _ = out.flush();
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

/// The layout of the report on this terminal; without a terminal, of 100 characters.
pub(crate) fn layout(all_failures: bool) -> Layout {
    let width = terminal_size::terminal_size().map(|(width, _)| usize::from(width.0));
    let width = width.map(|width| width.clamp(*WIDTHS.start(), *WIDTHS.end()));
    let default = Layout::default();
    Layout { width: width.unwrap_or(default.width), color: true, all_failures }
}

/// The progress of a run: a bar on a terminal, otherwise a line from time to time.
pub(crate) struct Meter {
    bar: Option<ProgressBar>,
    verbose: bool,
    trace: bool,
    failed: usize,
    printed: Instant,
}

impl Meter {
    /// A meter at the start of a run.
    pub(crate) fn new(verbose: bool, trace: bool) -> Self {
        let style = ProgressStyle::with_template("{bar:30} {pos}/{len} {msg}");
        let is_bar = io::stdout().is_terminal() && io::stderr().is_terminal() && !trace;
        let bar = style.ok().filter(|_| is_bar).map(|style| ProgressBar::new(0).with_style(style));
        Self { bar, verbose: verbose || trace, trace, failed: 0, printed: Instant::now() }
    }

    /// Shows a completed case.
    pub(crate) fn report(&mut self, case: &CaseReport, Progress { done, of }: Progress) {
        self.failed += usize::from(case.outcome.is_fault());
        let failed = if self.failed > 0 { format!("{} failed, ", self.failed) } else { String::new() };
        if self.verbose {
            let line = format!("{:13} {:56} {:>7} ms\n", case.outcome.label(), case.id, case.elapsed_ms);
            self.suspended(|| print(line));
        }
        if let Some(bar) = &self.bar {
            bar.set_length(of as u64);
            bar.set_message(format!("{failed}{}", case.id));
            bar.set_position(done as u64);
        } else if !self.verbose && self.printed.elapsed() > INTERVAL {
            self.printed = Instant::now();
            print(format_args!("{done} of {of} cases, {failed}{}\n", case.id));
        }
        if self.trace {
            for line in case.transcript.iter().flat_map(|transcript| transcript.lines()) {
                print(format_args!("    {line}\n"));
            }
        }
    }

    /// Prints without disturbing the bar.
    fn suspended(&self, print: impl FnOnce()) {
        match &self.bar {
            Some(bar) => bar.suspend(print),
            None => print(),
        }
    }

    /// Removes the bar.
    pub(crate) fn end(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
