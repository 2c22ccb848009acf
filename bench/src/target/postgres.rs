//! The Postgres that the gateway and its peers share: one that somebody runs, or a cluster of this run.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::process::{Child, Command, Stdio};

use prism_testkit::Private;
use sqlx::{Connection as _, Executor as _, PgConnection};
use url::Url;

use super::Places;
use super::kind::postgres_folders;
use crate::failure::Failure;
use crate::process::find;

/// A Postgres to work on.
#[derive(Debug)]
pub struct Postgres {
    /// Its address.
    pub url: String,
    /// What it is.
    pub description: String,
    /// The address that it had before a database was made.
    maintenance: Option<String>,
    #[expect(dead_code, reason = "it is held, not used")]
    holder: Option<Holder>,
}

/// The process that holds the cluster: it takes it away when its input ends, and so also when this process is killed.
#[derive(Debug)]
struct Holder(Child);

impl Drop for Holder {
    fn drop(&mut self) {
        drop(self.0.stdin.take());
        let _ = self.0.wait();
    }
}

impl Postgres {
    /// The one that `places` names, or a cluster out of PostgreSQL's programs with its durable settings left on, or what
    /// PRISM_TEST_POSTGRES demands instead. `None` if there is nothing to make one of.
    ///
    /// # Errors
    /// None can be made.
    pub fn start(places: &Places) -> Result<Option<Self>, Failure> {
        if let Some(url) = &places.postgres {
            return Ok(Some(Self {
                url: url.clone(),
                description: "as given".to_owned(),
                maintenance: None,
                holder: None,
            }));
        }
        if std::env::var_os("PRISM_TEST_POSTGRES").is_none() && find("initdb", &postgres_folders()).is_none()
        {
            return Ok(None);
        }
        let mut command = Command::new(&places.own);
        command.arg("hold-postgres").stdin(Stdio::piped()).stdout(Stdio::piped());
        if std::env::var_os("PRISM_TEST_POSTGRES").is_none() {
            command.env("PRISM_TEST_POSTGRES", "binaries");
        }
        let mut child = command.spawn().map_err(|why| Failure::of("a Postgres cannot be started", &why))?;
        let output = child.stdout.take();
        let holder = Holder(child);
        let mut lines = output.map(|output| BufReader::new(output).lines()).into_iter().flatten();
        match (lines.next(), lines.next()) {
            (Some(Ok(url)), Some(Ok(description))) => {
                Ok(Some(Self { url, description, maintenance: None, holder: Some(holder) }))
            }
            _ => {
                Err(Failure::Failed("no Postgres could be started; give one with --postgres URL".to_owned()))
            }
        }
    }
}

/// The database that is made anew for each case.
const FRESH: &str = "prism_bench_scale";

impl Postgres {
    /// Makes a database anew, and has this value stand for it.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn fresh(&mut self) -> Result<(), Failure> {
        self.tidy().await?;
        self.say(&format!("CREATE DATABASE {FRESH}")).await?;
        let mut url = Url::parse(&self.url).map_err(|why| Failure::of("postgres", &why))?;
        url.set_path(FRESH);
        self.maintenance = Some(std::mem::replace(&mut self.url, url.into()));
        Ok(())
    }

    /// Drops that database, if there is one, and has this value stand for what it stood for before.
    ///
    /// # Errors
    /// The server refuses it.
    pub async fn tidy(&mut self) -> Result<(), Failure> {
        if let Some(url) = self.maintenance.take() {
            self.url = url;
        }
        self.say(&format!("DROP DATABASE IF EXISTS {FRESH} WITH (FORCE)")).await
    }

    async fn say(&self, sql: &str) -> Result<(), Failure> {
        let failed = |why: sqlx::Error| Failure::of("postgres", &why);
        let mut connection = PgConnection::connect(&self.url).await.map_err(failed)?;
        let sql = sqlx::raw_sql(sqlx::AssertSqlSafe(sql.to_owned()));
        connection.execute(sql).await.map(drop).map_err(failed)
    }
}

/// Makes a cluster, prints its address and what it is, and keeps it until the input ends.
///
/// # Errors
/// None can be made.
pub async fn hold() -> Result<(), Failure> {
    let server = Private::launch().await.map_err(|why| Failure::Failed(why.to_string()))?;
    let description = server.describe().to_string().replace('\n', " ");
    let _ = writeln!(std::io::stdout(), "{}\n{description}", server.url());
    // However the input ends, this is over.
    let _ = std::io::stdin().read_to_end(&mut Vec::new());
    drop(server);
    Ok(())
}
