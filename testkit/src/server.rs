//! The server that all tests of a run share, and what it hands out.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use url::Url;

use crate::guard::{Database, Schema};
use crate::runtime::on_own_runtime;
use crate::session::Session;
use crate::{Backend, Description, Error, Way, address, database, given, run};

/// A server as one process tells it to the next.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Found {
    /// The run's database, by a role that may make schemas in it.
    pub(crate) url: Url,
    pub(crate) description: Description,
    /// What `CREATE DATABASE` takes for the collation. None: the role may not make databases.
    pub(crate) collation: Option<String>,
    /// What names of schemas and databases begin with.
    pub(crate) prefix: String,
}

/// A Postgres server for tests. Clones are the same server.
#[derive(Clone, Debug)]
pub struct Postgres(Arc<Inner>);

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) found: Found,
    pub(crate) session: Session,
    made: AtomicU64,
}

static SHARED: OnceCell<Result<Postgres, Error>> = OnceCell::const_new();

impl Postgres {
    /// The run's server. The first process of a run that asks starts it, which takes a second or two; the others find it
    /// within milliseconds. It goes when the run is over, however that came about.
    ///
    /// A run is what one cargo, cargo-nextest, cargo-llvm-cov or cargo-mutants starts; for a process that none of them
    /// started, the run is the process.
    ///
    /// # Errors
    /// As the variables of the environment demand it there is no server, or they mean nothing, or `PRISM_TEST_BACKENDS`
    /// leaves Postgres out. The same error again for every test of the process.
    pub async fn shared() -> Result<Self, Error> {
        // A runtime that ends in the middle of this leaves the work going on; who asks next waits for its result.
        SHARED.get_or_init(|| on_own_runtime(Self::find())).await.clone()
    }

    async fn find() -> Result<Self, Error> {
        if crate::left_out(Backend::Postgres).is_some() {
            return Err(Error::LeftOut(std::env::var("PRISM_TEST_BACKENDS").unwrap_or_default()));
        }
        run::find_or_start().await.map(Self::new)
    }

    pub(crate) fn new(found: Found) -> Self {
        let session = Session::new(found.url.clone());
        Self(Arc::new(Inner { found, session, made: AtomicU64::new(0) }))
    }

    /// How the server was found, its version, collation and durability settings.
    pub fn describe(&self) -> &Description {
        &self.0.found.description
    }

    /// The address of the run's database, which all tests share: for reading what the server is like, not for writing.
    pub fn url(&self) -> &str {
        self.0.found.url.as_str()
    }

    /// A schema of a test's own, in a few milliseconds.
    ///
    /// # Errors
    /// The server does not answer, or refuses.
    pub async fn schema(&self) -> Result<Schema, Error> {
        let name = self.next_name();
        let mut sql = format!("CREATE SCHEMA \"{name}\"");
        if self.0.outlives_schemas() {
            sql = format!("{sql}; {}", given::signature("SCHEMA", &name));
        }
        self.execute(sql).await?;
        Ok(Schema::new(
            Arc::clone(&self.0),
            name.clone(),
            address::with_search_path(&self.0.found.url, &name),
        ))
    }

    /// A database of a test's own, for tests that need several schemas, settings of a database, or nobody beside them. It
    /// takes some 50 ms and 8 MB, so prefer [`Postgres::schema`].
    ///
    /// # Errors
    /// The server does not answer, or refuses; on a server that somebody runs, its role may not make databases.
    pub async fn database(&self) -> Result<Database, Error> {
        let name = self.next_name();
        let Some(collation) = &self.0.found.collation else {
            return Err(self
                .0
                .problem("the role of PRISM_TEST_POSTGRES_URL may not make databases: it needs CREATEDB"));
        };
        self.execute(database::statement(&name, collation)).await?;
        if self.0.given() {
            self.execute(given::signature("DATABASE", &name)).await?;
        }
        Ok(Database::new(Arc::clone(&self.0), name.clone(), address::with_database(&self.0.found.url, &name)))
    }

    async fn execute(&self, sql: String) -> Result<(), Error> {
        let inner = Arc::clone(&self.0);
        on_own_runtime(async move {
            inner.session.execute(&sql).await.map_err(|error| inner.problem(&format!("{sql}: {error}")))
        })
        .await
    }

    fn next_name(&self) -> String {
        let number = self.0.made.fetch_add(1, Ordering::Relaxed);
        format!("{}_{}_{number}", self.0.found.prefix, std::process::id())
    }
}

impl Inner {
    /// Whether somebody else runs the server, so that it outlives the run.
    pub(crate) fn given(&self) -> bool {
        self.found.description.way == Way::Url
    }

    /// Whether a schema outlives the run unless it is dropped: it is in a database that somebody else made.
    pub(crate) fn outlives_schemas(&self) -> bool {
        self.given() && self.found.collation.is_none()
    }

    pub(crate) fn problem(&self, problem: &str) -> Error {
        Error::Server { server: self.found.description.origin.clone(), problem: problem.to_owned() }
    }
}
