//! The process's open file limit, raised at startup as far as the hard limit allows.
//!
//! Shells and service managers start a process with a low soft limit, often 1,024, for programs that use `select`. The
//! default configuration needs more: 960 connections, 256 in their handshake, and those to the database.

/// Enough for any configuration; a hard limit may be far above.
#[cfg(unix)]
const MAX_USEFUL: u64 = 1 << 20;

/// Raises the soft limit to the hard limit, or to [`MAX_USEFUL`] if that is less. Returns the limit now in effect (`None`:
/// unlimited), and an error if it could not be raised.
#[cfg(unix)]
pub(super) fn raise() -> (Option<u64>, std::io::Result<()>) {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.unwrap_or(MAX_USEFUL).min(MAX_USEFUL);
    match limit.current {
        Some(current) if current < wanted => {
            let raised = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), ..limit });
            (Some(if raised.is_ok() { wanted } else { current }), raised.map_err(Into::into))
        }
        unchanged => (unchanged, Ok(())),
    }
}

#[cfg(not(unix))]
pub(super) fn raise() -> (Option<u64>, std::io::Result<()>) {
    (None, Ok(()))
}
