//! What an operator should know of a configuration that is valid and yet leaves a door open, logged once at the start.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::config::{AuthMode, Config};

/// Warns of who may call a server that listens on `address`, and of secret files that others may read.
pub(super) fn warn(config: &Config, address: SocketAddr) {
    let (tokens, loopback) = (config.auth.tokens.len(), address.ip().to_canonical().is_loopback());
    let insecure = config.auth.mode == Some(AuthMode::Insecure);
    if insecure && tokens > 0 {
        tracing::warn!(
            tokens,
            "auth.mode is insecure: no call is asked for a token, and the auth.tokens that are configured do not count"
        );
    }
    if (insecure || tokens == 0) && loopback {
        tracing::info!("no token is asked for: every program on this machine may read and write everything");
    } else if insecure || tokens == 0 {
        tracing::warn!(%address, "no token is asked for: whoever reaches this address may read and write everything");
    } else if !loopback && config.server.tls.cert.is_none() {
        tracing::warn!(
            %address,
            "tokens without TLS: whoever can listen on the way may take them; set server.tls.cert and server.tls.key, or \
             let a proxy on this machine end TLS"
        );
    }
    for (key, path) in secret_files(config) {
        if let Some(mode) = readable_by_others(path) {
            tracing::warn!(
                key,
                path = %path.display(),
                mode = format!("{mode:04o}"),
                "every user of this machine may read or write this file, which holds a secret; chmod o-rwx"
            );
        }
    }
}

/// Files that are open beside those of connections that speak: 256 connections that have not begun to, and some for the database, the
/// log and the runtime.
const BESIDE_CONNECTIONS: u64 = 256 + 64;

/// Warns of a limit of open files that could not be raised, or that is too low for the connections that are allowed. Beyond it no
/// connection is accepted, and none is made to the database.
pub(super) fn of_open_files(config: &Config, limit: Option<u64>, raised: io::Result<()>) {
    if let Err(error) = raised {
        tracing::warn!(%error, limit, "the limit of open files could not be raised to what this process may have");
    }
    let needed = (config.server.max_connections as u64).saturating_add(BESIDE_CONNECTIONS);
    if let Some(limit) = limit.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "fewer files may be open than server.max_connections needs; raise the hard limit (ulimit -Hn, LimitNOFILE), or \
             lower the key"
        );
    }
}

/// The files of the configuration that hold secrets.
fn secret_files(config: &Config) -> impl Iterator<Item = (&'static str, &Path)> {
    let tls = config.server.tls.key.as_deref().map(|path| ("server.tls.key", path));
    let password =
        config.database.password_file.as_deref().map(|path| ("database.postgres.password_file", path));
    let tokens = config.auth.token_files.iter().map(|path| ("auth.tokens", path.as_path()));
    tls.into_iter().chain(password).chain(tokens)
}

/// A file's mode, if others than its owner and its group have a right to it. A group is a choice that somebody made.
#[cfg(unix)]
fn readable_by_others(path: &Path) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = std::fs::metadata(path).ok()?.permissions().mode() & 0o7777;
    (mode & 0o006 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn readable_by_others(_: &Path) -> Option<u32> {
    None
}
