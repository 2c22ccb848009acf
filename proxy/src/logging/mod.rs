//! Sets up logging to standard error, in the configured format and level.

mod limits;
mod lines;

use std::panic::PanicHookInfo;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use prism_backends::trace::TARGET;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;
use tracing_subscriber::{Layer, fmt, registry};

use crate::config::{LogFormat, LogLevel, Logging};
use crate::telemetry::Telemetry;
use limits::Limits;
use lines::{LastLines, Lines};

/// Flushes the log on drop: reports the counts of suppressed lines and writes the buffer, for up to a second.
#[must_use]
pub struct LogGuard {
    limits: Limits,
    lines: LastLines,
}

impl LogGuard {
    /// The number of lines so far that were dropped because standard error did not take them in time.
    pub fn dropped(&self) -> Arc<AtomicU64> {
        self.lines.dropped()
    }
}

impl Drop for LogGuard {
    fn drop(&mut self) {
        self.limits.report();
    }
}

/// Logs this process' events to standard error, and gives its spans to `telemetry`. Other crates log only warnings and errors:
/// their details may contain data that must not be logged. Drop the guard before the process ends.
pub fn start(logging: Logging, telemetry: Option<&Telemetry>) -> std::io::Result<LogGuard> {
    let level = logging.level;
    let others = if matches!(level, LogLevel::Off | LogLevel::Error) { level } else { LogLevel::Warn };
    let own = ["prism_proxy", "prism_wire", "prism_backends", "prism_contract"]
        .map(|target| (target, filter(level)));
    let targets = Targets::new().with_default(filter(others)).with_targets(own);
    let limits = Limits::start()?;
    let (lines, last_lines, panics) = Lines::to(std::io::stderr(), |left_out| {
        tracing::warn!(left_out, "log lines were dropped: standard error did not take them in time");
    })?;
    let lines = fmt::layer().with_writer(lines);
    let lines = match logging.format {
        LogFormat::Text => lines.with_ansi(false).boxed(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).boxed(),
    };
    // Filters of the layers, and none for both: otherwise each event of any level in any crate would be asked for.
    let lines = limits.limit(lines).with_filter(targets);
    let set = match telemetry {
        None => registry().with(lines).try_init(),
        Some(telemetry) => {
            let spans = Targets::new().with_target(TARGET, LevelFilter::INFO);
            registry().with(lines).with(telemetry.layer().with_filter(spans)).try_init()
        }
    };
    // An embedding program with its own logging keeps it.
    if set.is_ok() {
        std::panic::set_hook(Box::new(move |panic| {
            log_panic(panic);
            panics.wait();
        }));
    }
    Ok(LogGuard { limits, lines: last_lines })
}

/// The filter of a level.
fn filter(level: LogLevel) -> LevelFilter {
    match level {
        LogLevel::Off => LevelFilter::OFF,
        LogLevel::Error => LevelFilter::ERROR,
        LogLevel::Warn => LevelFilter::WARN,
        LogLevel::Info => LevelFilter::INFO,
        LogLevel::Debug => LevelFilter::DEBUG,
        LogLevel::Trace => LevelFilter::TRACE,
    }
}

/// Logs a panic and its location. Only a literal message is logged: a formatted one may contain a key or a value.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload().downcast_ref::<&str>().copied().unwrap_or("(message withheld)");
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, message, "panic");
}
