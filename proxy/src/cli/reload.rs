//! Reload on SIGHUP, and renewed certificates: the parts of the configuration that a running server takes up, all of them or
//! none.

use std::sync::OnceLock;
use std::time::Duration;

use prism_wire::clock::SystemClock;
use tokio::sync::Mutex;

use super::serve::{ServeArgs, tls_pem};
use crate::audit::Audit;
use crate::backend;
use crate::catalog::{Definitions, Snapshot};
use crate::config::{AuthMode, Config, Namespaces, OPEN_BEYOND_LOOPBACK};
use crate::control::check_stored;
use crate::server::{AuthState, Reload, Services, TlsPem};

/// Time between two looks at the files of the certificate.
const RENEWAL_INTERVAL: Duration = Duration::from_secs(2);

/// What a running server takes up. It is set once the server runs: before, SIGHUP is ignored.
pub(super) type Running = OnceLock<Reloader>;

/// Loads the configuration again.
pub(super) struct Reloader {
    args: ServeArgs,
    /// The configuration that the server was started with, for the keys that need a restart.
    started: Config,
    services: Services,
    reload: Reload,
    audit: Option<Audit>,
    is_loopback: bool,
    current: Mutex<Current>,
}

/// What the server uses now.
struct Current {
    config: Config,
    tls: Option<TlsPem>,
}

impl Reloader {
    pub(super) fn new(
        args: ServeArgs,
        config: Config,
        tls: Option<TlsPem>,
        services: Services,
        reload: Reload,
        audit: Option<Audit>,
        is_loopback: bool,
    ) -> Self {
        let current = Mutex::new(Current { config: config.clone(), tls });
        Self { args, started: config, services, reload, audit, is_loopback, current }
    }

    /// Handles SIGHUP: opens the audit log again, and loads the configuration.
    pub(super) async fn hangup(&self) {
        if let Some(audit) = &self.audit {
            match audit.reopen().await {
                Ok(true) => tracing::info!("SIGHUP: the audit log is reopened, as a new file"),
                Ok(false) => tracing::info!("SIGHUP: the audit log is still the same file"),
                Err(error) => tracing::error!(error, "SIGHUP: the audit log cannot be reopened"),
            }
        }
        match self.load().await {
            Ok(restart) if restart.is_empty() => tracing::info!("SIGHUP: the configuration is loaded"),
            Ok(restart) => tracing::warn!(
                restart = restart.join(", "),
                "SIGHUP: the configuration is loaded, but for changed keys that need a restart"
            ),
            Err(error) => tracing::error!(error, "SIGHUP: the configuration is as before"),
        }
    }

    /// Loads the configuration; returns the changed keys that need a restart. On an error nothing has changed.
    async fn load(&self) -> Result<Vec<&'static str>, String> {
        let mut current = self.current.lock().await;
        let config = self.args.configuration()?;
        if self.started.backends_differ(&config) {
            let message =
                "backends or database: a backend was added, removed or changed, which needs a restart";
            return Err(message.to_owned());
        }
        if config.auth.is_open() && config.auth.mode != Some(AuthMode::Insecure) && !self.is_loopback {
            return Err(OPEN_BEYOND_LOOPBACK.to_owned());
        }
        let auth = AuthState::new(&config.auth).map_err(|why| why.to_string())?;
        let tls = match &current.tls {
            Some(_) => tls_pem(&config.server.tls).map_err(|why| why.message)?,
            None => None,
        };
        let ring = config.encryption.ring().map_err(|why| why.to_string())?;
        let has_new_keys = config.encryption != current.config.encryption;
        let names: Vec<_> = self.services.stores.iter().map(|store| store.name.clone()).collect();
        // Definitions stay where they are until a restart.
        let default_backend = self.started.namespaces.default_backend.clone();
        let namespaces = Namespaces { default_backend, ..config.namespaces.clone() };
        let with_rules = |snapshot: Snapshot| {
            let snapshot = snapshot
                .with_rules(Definitions::of(&namespaces, &names))
                .with_audit(config.audited_namespaces());
            if has_new_keys { snapshot.with_keys(ring.as_ref()) } else { snapshot }
        };
        if has_new_keys {
            for store in &self.services.stores {
                // One that is away checks its keys when it is opened.
                let checked = backend::check_keys(&store.keyvalue, ring.as_deref()).await;
                if let Err(error @ backend::OpenError::MasterKey { .. }) = checked {
                    return Err(format!("backend {}: {error}", store.name));
                }
            }
        }
        let catalog = &self.services.catalog;
        let planned = with_rules(catalog.snapshot().as_ref().clone());
        let stores = self.services.stores.iter();
        let stores = stores.map(|store| (&store.keyvalue, store.timeseries.as_ref()));
        check_stored(&planned, stores, &SystemClock).await.map_err(|why| why.to_string())?;
        // The last step that may fail.
        if let Some(tls) = &tls {
            self.reload.tls(tls).map_err(|why| format!("server.tls: {why}"))?;
        }
        self.reload.auth(auth);
        catalog.change(with_rules);
        let restart = self.started.keys_for_restart(&config);
        *current = Current { tls: tls.or_else(|| current.tls.take()), config };
        Ok(restart)
    }

    /// Takes up certificates that were renewed, until it is dropped.
    pub(super) async fn renew_certificates(&self) {
        let mut refused = None;
        loop {
            tokio::time::sleep(RENEWAL_INTERVAL).await;
            let mut current = self.current.lock().await;
            // A file that is being replaced cannot be read for a moment.
            let Ok(Some(pem)) = tls_pem(&current.config.server.tls) else { continue };
            if current.tls.as_ref() == Some(&pem) {
                refused = None;
                continue;
            }
            match self.reload.tls(&pem) {
                Ok(()) => {
                    tracing::info!("server.tls: the renewed certificate is used for new connections");
                    current.tls = Some(pem);
                }
                // Seen twice: between the certificate and its key, the two do not match.
                Err(error) if refused == Some((pem.clone(), false)) => {
                    tracing::error!(%error, "server.tls: the changed files cannot be used; the certificate is as before");
                    refused = Some((pem, true));
                }
                Err(_) if refused.as_ref().is_some_and(|(seen, _)| *seen == pem) => {}
                Err(_) => refused = Some((pem, false)),
            }
        }
    }
}
