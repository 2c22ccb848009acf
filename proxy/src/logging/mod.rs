//! Sets up what is logged: to standard error, in the form and to the extent that the configuration says.

mod limits;
mod lines;

use std::panic::PanicHookInfo;

use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::layer::SubscriberExt;
use tracing_subscriber::util::SubscriberInitExt;

use crate::config::{LogFormat, LogLevel, Logging};
use limits::Limits;
use lines::{LastLines, Lines};

/// The end of the log: when it is dropped, what was counted is summed up, and what waits is written, for as long as a second.
pub(crate) struct Rest {
    limits: Limits,
    _lines: LastLines,
}

impl Drop for Rest {
    fn drop(&mut self) {
        self.limits.sum_up();
    }
}

/// Sends this process' events to standard error. Of other crates only warnings are logged: their details may hold what
/// a log must not. Drop the answer before the process ends.
pub(crate) fn start(logging: Logging) -> std::io::Result<Rest> {
    let level = logging.level;
    let others = if matches!(level, LogLevel::Off | LogLevel::Error) { level } else { LogLevel::Warn };
    let own = ["prism_proxy", "prism_wire", "prism_backends", "prism_contract"]
        .map(|target| (target, filter(level)));
    let targets = Targets::new().with_default(filter(others)).with_targets(own);
    let limits = Limits::start()?;
    let (lines, rest, panics) = Lines::to(std::io::stderr(), |left_out| {
        tracing::warn!(left_out, "log lines were dropped: standard error did not take them in time");
    })?;
    let lines = tracing_subscriber::fmt().with_max_level(LevelFilter::TRACE).with_writer(lines);
    let set = match logging.format {
        LogFormat::Text => lines.with_ansi(false).finish().with(limits.clone()).with(targets).try_init(),
        LogFormat::Json => {
            let lines = lines.json().flatten_event(true).with_current_span(false);
            lines.finish().with(limits.clone()).with(targets).try_init()
        }
    };
    // A program that embeds this and logs already keeps its own logging.
    if set.is_ok() {
        std::panic::set_hook(Box::new(move |panic| {
            log_panic(panic);
            panics.wait();
        }));
    }
    Ok(Rest { limits, _lines: rest })
}

/// What a level lets through.
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

/// Logs a panic and where it happened. A message that was put together at run time may hold a key or a value, so only a
/// literal one is logged.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload().downcast_ref::<&str>().copied().unwrap_or("(message withheld)");
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, message, "panic");
}
