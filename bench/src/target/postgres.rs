//! The Postgres shared by the gateway and its peers: an external one, or a temporary cluster.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use prism_testkit::Private;
use sqlx::{Connection as _, Executor as _, PgConnection};
use url::Url;

use super::Locations;
use super::kind::postgres_folders;
use crate::failure::Failure;
use crate::process::find;

/// A Postgres for the targets.
#[derive(Debug)]
pub struct Postgres {
    /// Its URL.
    pub url: String,
    /// Its description.
    pub description: String,
    /// The original URL, while `url` points to the scratch database.
    maintenance: Option<String>,
    #[expect(dead_code, reason = "held for its drop")]
    holder: Option<Holder>,
}

/// The process that holds the cluster, and removes it at the end of its stdin, so also if this process is killed.
#[derive(Debug)]
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Postgres {
    /// The Postgres given by `locations`, or a temporary cluster from PostgreSQL's binaries with default durability, or the
    /// way forced by PRISM_TEST_POSTGRES. `None` if the binaries are not installed.
    ///
    /// # Errors
    /// The cluster cannot be started.
    pub fn start(locations: &Locations) -> Result<Option<Self>, Failure> {
        if let Some(url) = &locations.postgres {
            return Ok(Some(Self {
                url: url.clone(),
                description: "external".to_owned(),
                maintenance: None,
                holder: None,
            }));
        }
        if std::env::var_os("PRISM_TEST_POSTGRES").is_none() && find("initdb", &postgres_folders()).is_none()
        {
            return Ok(None);
        }
        let mut command = Command::new(&locations.own);
        command.arg("hold-postgres").stdin(Stdio::piped()).stdout(Stdio::piped());
        if std::env::var_os("PRISM_TEST_POSTGRES").is_none() {
            command.env("PRISM_TEST_POSTGRES", "binaries");
        }
        let mut child = command.spawn().map_err(|why| Failure::of("starting a Postgres", &why))?;
        let output = child.stdout.take();
        let holder = Holder(child);
        let mut lines = output.map(|output| BufReader::new(output).lines()).into_iter().flatten();
        match (lines.next(), lines.next()) {
            (Some(Ok(url)), Some(Ok(description))) => {
                Ok(Some(Self { url, description, maintenance: None, holder: Some(holder) }))
            }
            _ => Err(Failure::Failed(
                "starting a Postgres failed; set --postgres URL to use a running one".to_owned(),
            )),
        }
    }
}

/// Name of the scratch database, recreated for each case.
const SCRATCH: &str = "prism_bench_scale";

impl Postgres {
    /// Recreates the scratch database and switches to it.
    ///
    /// # Errors
    /// The server returns an error.
    pub async fn create_scratch(&mut self) -> Result<(), Failure> {
        self.drop_scratch().await?;
        self.execute(&format!("CREATE DATABASE {SCRATCH}")).await?;
        let mut url = Url::parse(&self.url).map_err(|why| Failure::of("postgres", &why))?;
        url.set_path(SCRATCH);
        self.maintenance = Some(std::mem::replace(&mut self.url, url.into()));
        Ok(())
    }

    /// Switches back to the original database and drops the scratch database.
    ///
    /// # Errors
    /// The server returns an error.
    pub async fn drop_scratch(&mut self) -> Result<(), Failure> {
        if let Some(url) = self.maintenance.take() {
            self.url = url;
        }
        self.execute(&format!("DROP DATABASE IF EXISTS {SCRATCH} WITH (FORCE)")).await
    }

    async fn execute(&self, sql: &str) -> Result<(), Failure> {
        let failed = |why: sqlx::Error| Failure::of("postgres", &why);
        let mut connection = PgConnection::connect(&self.url).await.map_err(failed)?;
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
        connection.execute(sql).await.map(drop).map_err(failed)
    }
}

/// Starts a cluster, prints its URL and description, and keeps it until the end of stdin.
///
/// # Errors
/// It cannot be started.
pub async fn hold() -> Result<(), Failure> {
    let server = Private::launch().await.map_err(|why| Failure::Failed(why.to_string()))?;
    let description = server.describe().to_string().replace('\n', " ");
    let _ = writeln!(std::io::stdout(), "{}\n{description}", server.url());
    // Any end of the input ends the process, also an error.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(server);
    Ok(())
}
