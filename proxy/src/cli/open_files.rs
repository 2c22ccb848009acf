//! The process' limit of open files, raised at the start as far as the machine lets it.
//!
//! Shells and service managers start a process with a low soft limit, often 1,024, for the sake of programs that use `select`. The
//! default configuration needs more: 960 connections, 256 that have not begun to speak, and those to the database.

/// As many as any configuration needs; a hard limit may be far beyond.
#[cfg(unix)]
const ENOUGH: u64 = 1 << 20;

/// Raises the soft limit to the hard one, or to [`ENOUGH`] if that is less. Answers the limit that now holds, `None` where there is
/// none; an error says why it could not be raised.
#[cfg(unix)]
pub(super) fn raise() -> (Option<u64>, std::io::Result<()>) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(ENOUGH).min(ENOUGH);
    match limit.current {
        Some(current) if current < wanted => {
            let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
            (Some(if raised.is_ok() { wanted } else { current }), raised.map_err(Into::into))
        }
        held => (held, Ok(())),
    }
}

#[cfg(not(unix))]
pub(super) fn raise() -> (Option<u64>, std::io::Result<()>) {
    (None, Ok(()))
}
