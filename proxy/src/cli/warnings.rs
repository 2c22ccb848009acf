//! Warnings about a valid but risky configuration, logged once at startup.

use std::io;
use std::net::SocketAddr;
use std::path::Path;

use crate::config::{AuthMode, Config, KeySource};

/// Warns of unauthenticated or unencrypted access to a server at `address` with an admin endpoint at `admin`, and of secret files readable by other users.
pub(super) fn log_exposure(config: &Config, address: SocketAddr, admin: Option<SocketAddr>) {
    let (auth, loopback) = (&config.auth, address.ip().to_canonical().is_loopback());
    let (tokens, grants) = (auth.tokens.len(), auth.grants.len());
    if auth.mode == Some(AuthMode::Insecure) && tokens + grants > 0 {
        tracing::warn!(
            tokens,
            grants,
            "auth.mode is insecure: calls need no token, and the configured auth.tokens and auth.grants are ignored"
        );
    }
    if auth.is_open() && loopback {
        tracing::info!("no token is required: every program on this machine may read and write everything");
    } else if auth.is_open() {
        tracing::warn!(%address, "no token is required: anyone who can reach this address may read and write everything");
    } else if !loopback && config.server.tls.cert.is_none() {
        tracing::warn!(
            %address,
            "tokens without TLS: an eavesdropper on the network can steal them; set server.tls.cert and server.tls.key, or \
             terminate TLS at a proxy on this machine"
        );
    }
    if let Some(admin) = admin.filter(|admin| !admin.ip().to_canonical().is_loopback()) {
        tracing::warn!(
            %admin,
            "the admin endpoint needs no token: anyone who can reach this address may read the metrics, which name namespaces"
        );
    }
    for (key, path) in secret_files(config) {
        if let Some(mode) = readable_by_others(path) {
            tracing::warn!(
                key,
                path = %path.display(),
                mode = format!("{mode:04o}"),
                "every user of this machine may read or write this file, which holds a secret; run chmod o-rwx"
            );
        }
    }
}

/// Open files beyond those of established connections: up to 256 connections in their handshake, 32 of the admin endpoint, and
/// 64 for the database, the log and the runtime.
const OTHER_OPEN_FILES: u64 = 256 + 32 + 64;

/// Warns of an open file limit that could not be raised, or that is too low for `max_connections`. Beyond it no connection
/// is accepted, and none is made to the database.
pub(super) fn log_open_file_limit(config: &Config, limit: Option<u64>, raised: io::Result<()>) {
    if let Err(error) = raised {
        tracing::warn!(%error, limit, "the open file limit could not be raised to the hard limit");
    }
    let needed = (config.server.limits.max_connections as u64).saturating_add(OTHER_OPEN_FILES);
    if let Some(limit) = limit.filter(|limit| *limit < needed) {
        tracing::warn!(
            limit,
            needed,
            "the open file limit is too low for server.max_connections; raise the hard limit (ulimit -Hn, LimitNOFILE), or \
             lower server.max_connections"
        );
    }
}

/// The secret files that the configuration names.
fn secret_files(config: &Config) -> impl Iterator<Item = (&'static str, &Path)> {
    let tls = config.server.tls.key.as_deref().map(|path| ("server.tls.key", path));
    let databases = config.backends.values().map(|backend| &backend.database).chain([&config.database]);
    let passwords = databases.filter_map(|database| database.password_file.as_deref());
    let passwords = passwords.map(|path| ("database.postgres.password_file", path));
    let tokens = config.auth.token_files.iter().map(|path| ("auth.tokens", path.as_path()));
    let keys = config.encryption.keys.iter().filter_map(|key| match &key.source {
        KeySource::File(path) => Some(("encryption.keys", path.as_path())),
        KeySource::Variable(_) => None,
    });
    tls.into_iter().chain(passwords).chain(tokens).chain(keys)
}

/// A file's mode, if other users can read or write it. Access for the group is taken as intended.
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
