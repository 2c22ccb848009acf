//! Sets up what is logged: to standard error, in the form and to the extent that the configuration says.

mod lines;

use std::panic::PanicHookInfo;

use tracing_subscriber::EnvFilter;

use crate::config::{LogFormat, Logging};
use lines::Lines;
pub(crate) use lines::Rest;

/// Sends this process' events to standard error. Of other crates only warnings are logged: their details may hold what
/// a log must not. What is answered is kept until the process ends; dropping it writes what is still held back.
pub(crate) fn start(logging: Logging) -> std::io::Result<Rest> {
    let level = logging.level.name();
    let others = if matches!(level, "off" | "error") { level } else { "warn" };
    let filter = EnvFilter::new(format!(
        "{others},prism_proxy={level},prism_wire={level},prism_backends={level},prism_contract={level}"
    ));
    let (lines, rest) = Lines::to(std::io::stderr())?;
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(lines);
    let set = match logging.format {
        LogFormat::Text => lines.with_ansi(false).try_init(),
        LogFormat::Json => lines.json().flatten_event(true).with_current_span(false).try_init(),
    };
    // Somebody who embeds this and logs already keeps their own logging.
    if set.is_ok() {
        std::panic::set_hook(Box::new(log_panic));
    }
    Ok(rest)
}

/// Logs a panic and where it happened. A message that was put together at run time may hold a key or a value, so only a
/// literal one is told.
fn log_panic(panic: &PanicHookInfo<'_>) {
    let message = panic.payload().downcast_ref::<&str>().copied().unwrap_or("(message withheld)");
    let location = panic.location().map(ToString::to_string);
    tracing::error!(location, message, "panic");
}
