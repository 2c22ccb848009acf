//! A gateway with everything: several backends, rules by prefix, encryption, an audit log, rates and policies.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use prism_backends::wrap::encrypt::{KeyRing, MasterKey};
use prism_backends::{Postgres, Sqlite};
use prism_conformance::OpenError;
use prism_conformance::run::namespace_prefix;
use prism_contract::Namespace;
use prism_contract::keyvalue::{KeyValueBackend, Memory};
use prism_proxy::audit::Audit;
use prism_proxy::catalog::{Catalog, Definitions, Snapshot};
use prism_proxy::config::{self, AuditNamespaces, NamespaceRule, Namespaces, Rate, Rule, Undeclared};
use prism_proxy::server::{AuditOptions, Services, Store};
use prism_testkit::LazySchema;
use tempfile::TempDir;

use super::{
    Cuttable, Switched, no_settings, open_postgres, open_sqlite, postgres_settings, sqlite_settings,
};

const BACKENDS: [&str; 3] = ["memory", "postgres", "sqlite"];
const DIGITS: &[u8; 16] = b"0123456789abcdef";

/// The databases of a stack, which outlive its gateways.
pub(super) struct Location {
    folder: Arc<TempDir>,
    schema: Arc<LazySchema>,
    /// Kept in the test's process, so that it outlives a restart of the gateways too.
    memory: Arc<Memory>,
    /// Each gateway writes an audit log of its own.
    opened: Mutex<usize>,
}

impl Location {
    pub(super) fn new() -> Result<Self, OpenError> {
        Ok(Self {
            folder: Arc::new(tempfile::tempdir().map_err(OpenError::new)?),
            schema: Arc::new(LazySchema::new()),
            memory: Arc::default(),
            opened: Mutex::default(),
        })
    }
}

/// The backends of one gateway.
pub(super) struct Stack {
    memory: Arc<Cuttable<Arc<Memory>>>,
    postgres: Arc<Cuttable<Postgres>>,
    sqlite: Arc<Cuttable<Sqlite>>,
    audit: Audit,
    ring: Arc<KeyRing>,
}

impl Stack {
    pub(super) async fn open(location: &Location) -> Result<Self, OpenError> {
        let sqlite = open_sqlite(Arc::clone(&location.folder)).await?;
        let postgres = open_postgres(Arc::clone(&location.schema)).await?;
        let number = {
            let mut opened = location.opened.lock().expect("no opening panics");
            *opened += 1;
            *opened
        };
        let path = location.folder.path().join(format!("audit-{number}.jsonl"));
        let key = MasterKey::from_base64("k1", "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2U=");
        let ring =
            KeyRing::new(vec![Arc::new(key.map_err(OpenError::new)?)], "k1").map_err(OpenError::new)?;
        Ok(Self {
            memory: Arc::new(Cuttable::new(Arc::clone(&location.memory), |memory| no_settings(memory))),
            postgres: Arc::new(Cuttable::new(postgres, postgres_settings)),
            sqlite: Arc::new(Cuttable::new(sqlite, sqlite_settings)),
            audit: Audit::open(&path, &config::Audit::default()).map_err(OpenError::new)?,
            ring: Arc::new(ring),
        })
    }
}

/// The rules of all namespaces of the suite: by one digit of a case's number, and, longer and so first, by two.
fn rules() -> Vec<Rule> {
    let rule = |digits: &str, number: usize| Rule {
        backend: Some(BACKENDS[number % BACKENDS.len()].to_owned()),
        encrypt: number.is_multiple_of(2),
        audit: Some(number % 5 < 2),
        // Never reached, but counted.
        rate: Rate {
            reads: (number % 4 < 2).then_some(1e9),
            writes: (!number.is_multiple_of(4)).then_some(1e9),
            burst: None,
        },
        ..Rule::new(NamespaceRule::Prefix(format!("{}{digits}", namespace_prefix())))
    };
    let text = |digits: &[u8]| String::from_utf8_lossy(digits).into_owned();
    let mut rules = Vec::new();
    for (one, first) in DIGITS.iter().enumerate() {
        rules.push(rule(&text(&[*first]), one + 1));
        rules.extend(
            DIGITS.iter().enumerate().map(|(two, second)| rule(&text(&[*first, *second]), one + two)),
        );
    }
    rules
}

#[async_trait]
impl Switched for Stack {
    fn set_unavailable(&self, unavailable: bool) {
        self.memory.set_unavailable(unavailable);
        self.postgres.set_unavailable(unavailable);
        self.sqlite.set_unavailable(unavailable);
    }

    async fn settings(&self) -> Result<(bool, String), OpenError> {
        let (sqlite, postgres) = (self.sqlite.settings().await?, self.postgres.settings().await?);
        Ok((sqlite.0 && postgres.0, format!("{}; {}", sqlite.1, postgres.1)))
    }

    fn services(self: Arc<Self>) -> Services {
        let backends: [Arc<dyn KeyValueBackend>; 3] =
            [Arc::clone(&self.memory) as _, Arc::clone(&self.postgres) as _, Arc::clone(&self.sqlite) as _];
        let store = |(name, keyvalue): (&str, &Arc<dyn KeyValueBackend>)| Store {
            name: name.to_owned(),
            required: true,
            // The suite sweeps.
            sweep_interval: Some(Duration::from_hours(1)),
            keyvalue: Arc::clone(keyvalue),
            timeseries: None,
            observed: Arc::default(),
        };
        let stores = BACKENDS.into_iter().zip(&backends).map(store).collect();
        let undeclared = Undeclared::Allow;
        let namespaces =
            Namespaces { undeclared, default_backend: Some("sqlite".to_owned()), rules: rules() };
        let snapshot =
            Snapshot::new(Definitions::of(&namespaces, &BACKENDS.map(str::to_owned)), backends.to_vec())
                .with_keys(Some(&self.ring))
                .with_audit(AuditNamespaces::Chosen);
        Services { stores, catalog: Catalog::new(snapshot), definitions: Some(2) }
    }

    fn audit(&self) -> Option<AuditOptions> {
        let audited = Namespaces { rules: rules(), ..Namespaces::default() };
        let definitions = Definitions::of(&audited, &BACKENDS.map(str::to_owned));
        let audits = move |name: &str| {
            Namespace::new(name).is_ok() && definitions.find(name).and_then(|found| found.audit) == Some(true)
        };
        Some(AuditOptions { log: self.audit.clone(), audits: Arc::new(audits) })
    }
}
