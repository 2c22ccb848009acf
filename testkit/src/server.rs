//! The server shared by all tests of a run, and the schemas and databases on it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use url::Url;

use crate::guard::{Database, Schema};
use crate::runtime::on_testkit_runtime;
use crate::session::Session;
use crate::{Backend, Description, Error, Way, address, database, external, run};

/// A server as recorded for the other processes of the run.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    /// The run's database, with a role that may create schemas in it.
    pub(crate) url: Url,
    pub(crate) description: Description,
    /// Collation clause for `CREATE DATABASE`. None: the role may not create databases.
    pub(crate) collation: Option<String>,
    /// Prefix of the names of schemas and databases.
    pub(crate) prefix: String,
}

/// A Postgres server for tests. Clones share the server.
#[derive(Clone, Debug)]
pub struct Postgres(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) found: Found,
    pub(crate) session: Session,
    created: AtomicU64,
}

static SHARED: OnceCell<Result<Postgres, Error>> = OnceCell::const_new();

impl Postgres {
    /// The run's server. The first process of a run to call this starts it, which takes a second or two; the others find it
    /// within milliseconds. It is removed when the run ends, however it ends.
    ///
    /// A run is everything started by one cargo, cargo-nextest, cargo-llvm-cov or cargo-mutants process; a process that none
    /// of them started is its own run.
    ///
    /// # Errors
    /// No server is available by the ways that the environment allows, a variable is invalid, or `PRISM_TEST_BACKENDS`
    /// excludes Postgres. Cached: every test of the process gets the same error.
    pub async fn shared() -> Result<Self, Error> {
        // If the caller's runtime ends meanwhile, the work continues and the next caller awaits its result.
        SHARED.get_or_init(|| on_testkit_runtime(Self::find())).await.clone()
    }

    async fn find() -> Result<Self, Error> {
        if crate::left_out(Backend::Postgres).is_some() {
            return Err(Error::left_out(Backend::Postgres));
        }
        run::find_or_start().await.map(Self::new)
    }

    pub(crate) fn new(found: Found) -> Self {
        let session = Session::new(found.url.clone());
        Self(Arc::new(Inner { found, session, created: AtomicU64::new(0) }))
    }

    /// How the server was found, its version, collation and durability settings.
    pub fn describe(&self) -> &Description {
        &self.0.found.description
    }

    /// The URL of the run's database, which all tests share: for inspecting the server, not for writing.
    pub fn url(&self) -> &str {
        self.0.found.url.as_str()
    }

    /// Creates a per-test schema, in a few milliseconds.
    ///
    /// # Errors
    /// The server is unavailable, or refuses.
    pub async fn schema(&self) -> Result<Schema, Error> {
        let name = self.next_name();
        let mut sql = format!("CREATE SCHEMA \"{name}\"");
        if self.0.outlives_schemas() {
            sql = format!("{sql}; {}", external::timestamp_comment("SCHEMA", &name));
        }
        self.execute(sql).await?;
        Ok(Schema::new(
            Arc::clone(&self.0),
            name.clone(),
            address::with_search_path(&self.0.found.url, &name),
        ))
    }

    /// Creates a per-test database, for tests that need several schemas, database settings or isolation. It takes some 50 ms
    /// and 8 MB, so prefer [`Postgres::schema`].
    ///
    /// # Errors
    /// The server is unavailable, or refuses; on an external server, the role may lack CREATEDB.
    pub async fn database(&self) -> Result<Database, Error> {
        let name = self.next_name();
        let Some(collation) = &self.0.found.collation else {
            return Err(self
                .0
                .problem("the role of PRISM_TEST_POSTGRES_URL may not create databases: it needs CREATEDB"));
        };
        self.execute(database::statement(&name, collation)).await?;
        if self.0.is_external() {
            self.execute(external::timestamp_comment("DATABASE", &name)).await?;
        }
        Ok(Database::new(Arc::clone(&self.0), name.clone(), address::with_database(&self.0.found.url, &name)))
    }

    async fn execute(&self, sql: String) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        on_testkit_runtime(async move {
            inner.session.execute(&sql).await.map_err(|error| inner.problem(&format!("{sql}: {error}")))
        })
        .await
    }

    fn next_name(&self) -> String {
        let number = self.0.created.fetch_add(1, Ordering::Relaxed);
        format!("{}_{}_{number}", self.0.found.prefix, std::process::id())
    }
}

impl Inner {
    /// Whether the server is external, and so outlives the run.
    pub(crate) fn is_external(&self) -> bool {
        self.found.description.way == Way::Url
    }

    /// Whether a schema outlives the run unless it is dropped, being in a database that the run did not create.
    pub(crate) fn outlives_schemas(&self) -> bool {
        self.is_external() && self.found.collation.is_none()
    }

    pub(crate) fn problem(&self, problem: &str) -> Error {
        Error::Server { server: self.found.description.origin.clone(), problem: problem.to_owned() }
    }
}
