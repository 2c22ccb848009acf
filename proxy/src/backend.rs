//! Opens the backends that the configuration names.

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock, Weak};
use std::time::Duration;

use prism_backends::check::Report;
use prism_backends::kafka;
use prism_backends::observe::Observe;
use prism_backends::postgres::{self, Postgres};
use prism_backends::rewrite::Rewrite;
use prism_backends::sqlite::{self, Sqlite};
use prism_backends::wrap::encrypt::{KeyError, KeyRing, KeyUse};
use prism_backends::wrap::{DeferredKeyValue, DeferredTimeSeries};
use prism_contract::keyvalue::{self, KeyValueBackend};
use prism_contract::timeseries::{self, TimeSeriesBackend};
use prism_contract::{Error, Lifecycle, Namespace, Timestamp};
use prism_mutants::seeded;
use prism_wire::clock::{Clock, SystemClock};

use crate::catalog::{Catalog, Created, Definitions, Snapshot};
use crate::config::{Backend, Config, Database, DatabaseKind, masked_url};
use crate::control::{self, DefinitionsError};
use crate::exit::{Exit, ExitError};
use crate::server::{Services, Store};

/// Time between two attempts to open a backend that the server does not require.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Why a database could not be opened. For the operator, so it may name the path.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The password file is unreadable.
    #[error(
        "database.postgres.password_file: the file cannot be read: {why}; write the path of a file that holds the password"
    )]
    Password {
        /// The system's error. The path is not kept: it may be a misplaced password.
        why: std::io::Error,
    },
    /// The database is unavailable or unsuitable.
    #[error(transparent)]
    Postgres(#[from] postgres::OpenError),
    /// The password file of Kafka is unreadable.
    #[error(
        "database.kafka.password_file: the file cannot be read: {why}; write the path of a file that holds the password"
    )]
    KafkaPassword {
        /// The system's error. The path is not kept: it may be a misplaced password.
        why: std::io::Error,
    },
    /// The brokers are unavailable or unsuitable.
    #[cfg(feature = "kafka")]
    #[error(transparent)]
    Kafka(#[from] kafka::OpenError),
    /// This program has no Kafka.
    #[error("this build has no Kafka; build it with --features kafka")]
    NoKafka,
    /// The file is unavailable or unsuitable.
    #[error(transparent)]
    Sqlite(#[from] sqlite::OpenError),
    /// There is nothing to check in a database of this kind.
    #[error("a database of type {0} cannot be checked; those of type sqlite and postgres can")]
    NoCheck(&'static str),
    /// Data is sealed under a master key that the configuration lacks, or has otherwise.
    #[error(
        "data of the namespace {} is sealed under a master key: {why}; write the key into encryption.keys again. A \
         key may be left out once `prism rekey` has sealed the data of all its namespaces under another one",
        namespace.as_str()
    )]
    MasterKey {
        /// One of the namespaces.
        namespace: Namespace,
        /// Which key, and why.
        why: KeyError,
    },
    /// The definitions do not fit the data.
    #[error(transparent)]
    Definitions(#[from] DefinitionsError),
    /// The record of master keys cannot be read.
    #[error("the record of master keys cannot be read: {0}")]
    KeyUses(Error),
}

/// An open database, by abstraction.
#[derive(Clone)]
pub struct Opened {
    /// Its KeyValue backend.
    pub keyvalue: Arc<dyn KeyValueBackend>,
    /// Its TimeSeries backend, of the same engine; `None`: it does not keep TimeSeries.
    pub timeseries: Option<Arc<dyn TimeSeriesBackend>>,
    /// Its load, for metrics; empty until it is open, and if it does not report any.
    pub observed: Arc<OnceLock<Arc<dyn Observe>>>,
}

/// A load that is known.
fn observed(engine: Arc<dyn Observe>) -> Arc<OnceLock<Arc<dyn Observe>>> {
    Arc::new(OnceLock::from(engine))
}

impl Opened {
    fn stored(&self) -> control::Stored<'_> {
        (&self.keyvalue, self.timeseries.as_ref())
    }
}

/// Opens all backends, and gathers the catalog of namespaces.
///
/// # Errors
/// If a required backend cannot be opened: its name, and why. One that is not required is opened later.
pub async fn open_all(config: &Config) -> Result<Services, (String, OpenError)> {
    // A configuration whose keys contradict each other is not valid.
    let ring = config.encryption.ring().unwrap_or_default();
    let mut stores: Vec<Store> = Vec::new();
    let configured: Vec<_> = config.all_backends().into_iter().collect();
    let names: Vec<_> = configured.iter().map(|(name, _)| name.clone()).collect();
    let definitions = Definitions::default_backend(&config.namespaces, &names);
    // For backends that are opened later.
    let later = Arc::new(OnceLock::new());
    let open_later = |index: usize| {
        let (name, backend) = &configured[index];
        let place = (index, definitions == Some(index));
        open_later(place, name.clone(), backend.database.clone(), Arc::clone(&later))
    };
    let mut is_open = vec![true; configured.len()];
    for (index, (name, Backend { database, required })) in configured.iter().enumerate() {
        let opened = match open_with(database, ring.as_deref()).await {
            Ok(opened) => opened,
            Err(error) if *required => return Err((name.clone(), error)),
            Err(error) => {
                tracing::warn!(
                    backend = name,
                    %error,
                    "the backend is not required and cannot be opened: its namespaces are unavailable until it can"
                );
                is_open[index] = false;
                open_later(index)
            }
        };
        stores.push(store(name, *required, database, opened));
    }
    if definitions.is_none() {
        tracing::info!("there is no namespaces.default_backend, so namespaces cannot be created at run time");
    }
    let snapshot_of = |stores: &[Store]| {
        let backends = stores.iter().map(|store| Arc::clone(&store.keyvalue)).collect();
        let snapshot = Snapshot::new(Definitions::of(&config.namespaces, &names), backends)
            .with_timeseries(stores.iter().map(|store| store.timeseries.clone()))
            .with_keys(ring.as_ref())
            .with_audit(config.audited_namespaces())
            .with_created(None);
        // Without a control plane nothing is created.
        if definitions.is_some() { snapshot } else { snapshot.with_created(Some(Created::default())) }
    };
    let mut snapshot = snapshot_of(&stores);
    // A control plane checks all definitions once it has read its own.
    if snapshot.is_complete() {
        for (index, (name, Backend { required, database })) in configured.iter().enumerate() {
            // One that is opened later is checked then.
            if !is_open[index] {
                continue;
            }
            let stored = (&stores[index].keyvalue, stores[index].timeseries.as_ref());
            match control::check_stored_in(&snapshot, index, stored, &SystemClock).await {
                Ok(()) => {}
                Err(DefinitionsError::Unchecked(error)) if !required => {
                    tracing::warn!(
                        backend = name,
                        %error,
                        "the backend is not required and its data cannot be checked: its namespaces are unavailable until it can"
                    );
                    stores[index].keyvalue.close().await;
                    stores[index] = store(name, *required, database, open_later(index));
                }
                Err(error) => return Err((name.clone(), error.into())),
            }
        }
        snapshot = snapshot_of(&stores);
    }
    let catalog = Catalog::new(snapshot);
    let _ = later.set(catalog.clone());
    Ok(Services { stores, catalog, definitions })
}

fn store(name: &str, required: bool, database: &Database, opened: Opened) -> Store {
    let Opened { keyvalue, timeseries, observed } = opened;
    let sweep_interval = Some(database.sweep_interval);
    Store { name: name.to_owned(), required, sweep_interval, keyvalue, timeseries, observed }
}

/// Opens the database, and checks that `ring` has the master keys that its data needs.
async fn open_with(database: &Database, ring: Option<&KeyRing>) -> Result<Opened, OpenError> {
    let opened = open(database).await?;
    match check_keys(&opened.keyvalue, ring).await {
        Ok(()) => Ok(opened),
        Err(error) => {
            opened.keyvalue.close().await;
            Err(error)
        }
    }
}

/// Opens the database, and checks that the keys and the definitions of `snapshot` fit its data.
async fn open_fitting(database: &Database, index: usize, snapshot: &Snapshot) -> Result<Opened, OpenError> {
    let opened = open_with(database, snapshot.keys().map(|ring| &**ring)).await?;
    if !snapshot.is_complete() {
        // The definitions are in this backend. The control plane checks them once it has read them.
        return Ok(opened);
    }
    match control::check_stored_in(snapshot, index, opened.stored(), &SystemClock).await {
        Ok(()) => Ok(opened),
        Err(error) => {
            opened.keyvalue.close().await;
            Err(error.into())
        }
    }
}

/// Checks that `ring` has the master keys that have sealed data of a backend.
pub(crate) async fn check_keys(
    backend: &Arc<dyn KeyValueBackend>,
    ring: Option<&KeyRing>,
) -> Result<(), OpenError> {
    if seeded("encrypt/skips-the-check-of-master-keys") {
        return Ok(());
    }
    let uses = KeyUse::all(Arc::clone(backend), SystemClock.now()).await.map_err(OpenError::KeyUses)?;
    let refused = uses.into_iter().find_map(|of| Some((of.verify(ring).err()?, of.namespace)));
    refused.map_or(Ok(()), |(why, namespace)| Err(OpenError::MasterKey { namespace, why }))
}

/// Opens all backends, and reads the definitions of namespaces, for a command that works on the databases themselves.
///
/// # Errors
/// Why it cannot.
pub async fn open_for_command(config: &Config) -> Result<Services, ExitError> {
    let opened = open_all(config).await;
    let services =
        opened.map_err(|why| ExitError::new(Exit::of_opening(&why.1), cannot_open(config, &why)))?;
    match control::load(&services, Arc::new(SystemClock)).await {
        Ok(()) => Ok(services),
        Err(error) => {
            services.close().await;
            Err(ExitError::failed(error.to_string()))
        }
    }
}

/// The database of the backend that serves a namespace; `None`: none does.
pub fn database_of(config: &Config, services: &Services, namespace: &Namespace) -> Option<Database> {
    let index = services.catalog.index_of(namespace)?;
    config.all_backends().into_values().nth(index).map(|backend| backend.database)
}

/// Opens a database whose items can be rewritten; `None`: one in memory, which is not kept.
///
/// # Errors
/// If it cannot be opened.
pub async fn open_to_rewrite(database: &Database) -> Result<Option<Arc<dyn Rewrite>>, OpenError> {
    Ok(match database.kind {
        DatabaseKind::Memory | DatabaseKind::Kafka => None,
        DatabaseKind::Sqlite => Some(Arc::new(Sqlite::open(sqlite_options(database)).await?)),
        DatabaseKind::Postgres => Some(Arc::new(Postgres::open(postgres_options(database)?).await?)),
    })
}

/// Checks a database without opening it as a store; a statement on Postgres may take `time_limit`.
///
/// # Errors
/// If it cannot be read, or is of a kind that has no check.
pub async fn check(database: &Database, now: Timestamp, time_limit: Duration) -> Result<Report, OpenError> {
    match database.kind {
        DatabaseKind::Sqlite => Ok(sqlite::check(&sqlite_options(database), now).await?),
        DatabaseKind::Postgres => Ok(postgres::check(&postgres_options(database)?, now, time_limit).await?),
        DatabaseKind::Memory | DatabaseKind::Kafka => Err(OpenError::NoCheck(database.kind.name())),
    }
}

/// Copies a SQLite database to a file that does not exist.
///
/// # Errors
/// If there is no copy.
pub async fn back_up(
    database: &Database,
    file: &Path,
    now: Timestamp,
) -> Result<sqlite::Backup, sqlite::BackupError> {
    sqlite::back_up(&sqlite_options(database), file, now).await
}

/// Whether items or tombstones are left after a sweep at `now` that reported no more. Only Postgres leaves any: while another
/// gateway sweeps, and in records that are being written.
///
/// # Errors
/// If it cannot be read.
pub async fn is_sweepable(database: &Database, now: Timestamp) -> Result<bool, OpenError> {
    match database.kind {
        DatabaseKind::Postgres => Ok(postgres::is_sweepable(&postgres_options(database)?, now).await?),
        DatabaseKind::Sqlite | DatabaseKind::Memory | DatabaseKind::Kafka => Ok(false),
    }
}

/// A backend that is opened once that is possible, and once the catalog's keys and definitions fit its data, as long as
/// anyone holds it. It has an index, and may be the one that has the definitions.
fn open_later(
    (index, has_definitions): (usize, bool),
    name: String,
    database: Database,
    catalog: Arc<OnceLock<Catalog>>,
) -> Opened {
    let keyvalue = Arc::new(DeferredKeyValue::new(keyvalue::Capabilities::ALL));
    let timeseries = Arc::new(DeferredTimeSeries::new(capabilities_of(database.kind)));
    let observed = Arc::new(OnceLock::new());
    let observed_later = Arc::clone(&observed);
    let held: (Weak<DeferredKeyValue>, Weak<DeferredTimeSeries>) =
        (Arc::downgrade(&keyvalue), Arc::downgrade(&timeseries));
    tokio::spawn(async move {
        let mut refused = None;
        loop {
            tokio::time::sleep(RETRY_INTERVAL).await;
            if held.0.strong_count() == 0 {
                return;
            }
            let Some(snapshot) = catalog.get().map(Catalog::snapshot) else { continue };
            if !snapshot.is_complete() && !has_definitions {
                continue;
            }
            let opened = match open_fitting(&database, index, &snapshot).await {
                Ok(opened) => opened,
                Err(error) => {
                    let text = error.to_string();
                    // Once, if it is for another reason than before.
                    if refused.as_ref() == Some(&text) {
                        tracing::debug!(backend = name, %error, "the backend still cannot be opened");
                    } else {
                        tracing::warn!(backend = name, %error, "the backend cannot be opened");
                        refused = Some(text);
                    }
                    continue;
                }
            };
            let (Some(keyvalue), Some(timeseries)) = (held.0.upgrade(), held.1.upgrade()) else {
                return opened.keyvalue.close().await;
            };
            tracing::info!(backend = name, "the backend is open");
            // Nothing else sets them.
            if let Some(opened) = opened.observed.get() {
                let _ = observed_later.set(Arc::clone(opened));
            }
            if let Some(opened) = opened.timeseries {
                let _ = timeseries.set(opened);
            }
            let _ = keyvalue.set(opened.keyvalue);
            return;
        }
    });
    Opened { keyvalue, timeseries: Some(timeseries), observed }
}

/// Opens the database, and initializes it if it is new.
pub async fn open(database: &Database) -> Result<Opened, OpenError> {
    Ok(match database.kind {
        DatabaseKind::Memory => Opened {
            keyvalue: Arc::new(keyvalue::Memory::new(database.tombstone_retention)),
            timeseries: Some(Arc::new(timeseries::Memory::default())),
            observed: Arc::default(),
        },
        DatabaseKind::Sqlite => {
            let engine = Arc::new(Sqlite::open(sqlite_options(database)).await?);
            let observed = observed(Arc::clone(&engine) as _);
            Opened { keyvalue: Arc::clone(&engine) as _, timeseries: Some(engine), observed }
        }
        DatabaseKind::Postgres => {
            let engine = Arc::new(Postgres::open(postgres_options(database)?).await?);
            log_settings(&engine).await;
            let observed = observed(Arc::clone(&engine) as _);
            Opened { keyvalue: Arc::clone(&engine) as _, timeseries: Some(engine), observed }
        }
        DatabaseKind::Kafka => open_kafka(kafka_options(database)?).await?,
    })
}

#[cfg(feature = "kafka")]
async fn open_kafka(options: kafka::Options) -> Result<Opened, OpenError> {
    let store = Arc::new(kafka::Kafka::open(options).await?);
    let keyvalue = Arc::new(kafka::NoKeyValue(Arc::clone(&store)));
    Ok(Opened { keyvalue, timeseries: Some(store), observed: Arc::default() })
}

#[cfg(not(feature = "kafka"))]
#[expect(clippy::unused_async, reason = "of the signature that it has with the feature")]
async fn open_kafka(_: kafka::Options) -> Result<Opened, OpenError> {
    Err(OpenError::NoKafka)
}

/// What a backend that is opened later can do, once it is open.
fn capabilities_of(kind: DatabaseKind) -> timeseries::Capabilities {
    match kind {
        DatabaseKind::Kafka => kafka::CAPABILITIES,
        DatabaseKind::Memory | DatabaseKind::Sqlite | DatabaseKind::Postgres => timeseries::Capabilities::ALL,
    }
}

fn kafka_options(database: &Database) -> Result<kafka::Options, OpenError> {
    let mut options = database.kafka.clone();
    if let (Some(path), Some(sasl)) = (&database.kafka_password_file, &mut options.sasl) {
        let content = std::fs::read_to_string(path).map_err(|why| OpenError::KafkaPassword { why })?;
        sasl.password = content.trim_end_matches(['\r', '\n']).to_owned();
    }
    Ok(options)
}

fn sqlite_options(database: &Database) -> sqlite::Options {
    sqlite::Options {
        path: database.path.clone(),
        retention: database.tombstone_retention,
        ..database.sqlite.clone()
    }
}

fn postgres_options(database: &Database) -> Result<postgres::Options, OpenError> {
    let read = |path: &PathBuf| std::fs::read_to_string(path).map_err(|why| OpenError::Password { why });
    let password = database.password_file.as_ref().map(read).transpose()?;
    Ok(postgres::Options {
        url: database.url.clone().unwrap_or_default(),
        password: password.map(|content| content.trim_end_matches(['\r', '\n']).to_owned()),
        retention: database.tombstone_retention,
        ..database.postgres.clone()
    })
}

/// Logs the settings that durability depends on: only the database server's operator can change them.
async fn log_settings(backend: &Postgres) {
    match backend.settings().await {
        Ok(settings) if settings.are_durable() => tracing::info!(%settings, "database settings"),
        Ok(settings) => {
            tracing::warn!(%settings, "the database settings are not durable: a power loss may lose acknowledged writes");
        }
        Err(error) => tracing::warn!(%error, "the database settings are unknown"),
    }
}

/// Why a backend could not be opened, with its name if there are several.
pub fn cannot_open(config: &Config, (name, error): &(String, OpenError)) -> String {
    if config.backends.is_empty() { error.to_string() } else { format!("backend {name}: {error}") }
}

/// A database's location for the log: a path, or a URL without its password.
pub struct Location<'a>(pub &'a Database);

impl fmt::Display for Location<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.kind {
            DatabaseKind::Memory => f.write_str("(nowhere)"),
            DatabaseKind::Sqlite => self.0.path.display().fmt(f),
            DatabaseKind::Postgres => f.write_str(&masked_url(self.0.url.as_deref().unwrap_or_default())),
            DatabaseKind::Kafka => f.write_str(&self.0.kafka.brokers),
        }
    }
}

/// The kinds of all backends for the log: `sqlite`, or `main: sqlite, orders: postgres`.
pub struct Kinds<'a>(pub &'a Config);

impl fmt::Display for Kinds<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        of_each(self.0, f, |database| database.kind.name().to_owned())
    }
}

/// The locations of all databases for the log.
pub struct Locations<'a>(pub &'a Config);

impl fmt::Display for Locations<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        of_each(self.0, f, |database| Location(database).to_string())
    }
}

fn of_each(config: &Config, f: &mut fmt::Formatter<'_>, show: fn(&Database) -> String) -> fmt::Result {
    if config.backends.is_empty() {
        return f.write_str(&show(&config.database));
    }
    for (at, (name, backend)) in config.backends.iter().enumerate() {
        let comma = if at == 0 { "" } else { ", " };
        write!(f, "{comma}{name}: {}", show(&backend.database))?;
    }
    Ok(())
}
