//! A dedicated server that a test may stop, kill and restart: for tests of outages and durability.

use std::path::PathBuf;

use crate::launch::Server;
use crate::process::Process;
use crate::runtime::{block_on_testkit_runtime, on_testkit_runtime};
use crate::settings::Settings;
use crate::{Backend, Description, Error, Way, address, binaries, run, watchdog};

/// A dedicated server for one test, removed on drop or when the process ends. Starting one takes a second or two, so prefer
/// [`crate::Cuttable`] where it suffices.
///
/// It is a container or a throwaway cluster, never the server of `PRISM_TEST_POSTGRES_URL`, which tests must not stop.
#[derive(Debug)]
pub struct Private {
    server: Server,
    url: String,
    description: Description,
    home: PathBuf,
}

impl Private {
    /// Starts a server.
    ///
    /// # Errors
    /// As [`crate::Postgres::shared`].
    pub async fn launch() -> Result<Self, Error> {
        Self::launch_with(None).await
    }

    /// Starts a server from PostgreSQL's binaries, regardless of the way configured: only such a server can have a
    /// [`standby`](Self::standby). Where they may be missing, check with [`crate::lacks`].
    ///
    /// # Errors
    /// As [`crate::Postgres::shared`].
    pub async fn launch_by_programs() -> Result<Self, Error> {
        Self::launch_with(Some(Way::Binaries)).await
    }

    async fn launch_with(way: Option<Way>) -> Result<Self, Error> {
        on_testkit_runtime(async move {
            if crate::left_out(Backend::Postgres).is_some() {
                return Err(Error::left_out(Backend::Postgres));
            }
            let settings = Settings::from_env()?;
            let owner = Process::own();
            let mut tried = Vec::new();
            for way in way.map_or_else(|| settings.private_ways(), |way| vec![way]) {
                // A folder per attempt: a watchdog ends when its folder disappears.
                let name = binaries::random().map_err(Error::Machine)?;
                let home = watchdog::home(&owner, &format!("private-{name}"))?;
                match Server::launch(way, &settings.image, &owner, &home).await {
                    Ok((server, found)) => {
                        let mut description = found.description;
                        description.notes = tried;
                        return Ok(Self { server, url: found.url.into(), description, home });
                    }
                    Err(problem) => {
                        // The watchdog removes the partial server, then the folder.
                        tried.push(format!("no {}: {problem}", way.name()));
                    }
                }
            }
            Err(Error::NoWay { tried: run::lines(&tried) })
        })
        .await
    }

    /// The URL of its test database, with a superuser. Unchanged by restarts.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How the server was started, its version, collation and durability settings.
    pub fn describe(&self) -> &Description {
        &self.description
    }

    /// Starts a streaming standby of it (`pg_basebackup`), with the same databases, users and passwords. It serves reads,
    /// with replication lag.
    ///
    /// # Errors
    /// The server is a container, or does not run, or `pg_basebackup` fails.
    pub async fn standby(&self) -> Result<Self, Error> {
        let (server, description) = (self.server.clone(), self.description.clone());
        let url: url::Url = self.url.parse().map_err(|error| Error::Machine(format!("{error}")))?;
        let standby = on_testkit_runtime(async move {
            let owner = Process::own();
            let home = watchdog::home(&owner, &format!("private-{}", binaries::random()?))
                .map_err(|error| error.to_string())?;
            let (server, port) = server.standby(owner, &home).await?;
            Ok(Self { server, url: address::with_loopback_port(&url, port).into(), description, home })
        });
        standby.await.map_err(|problem| Error::Server { server: self.description.origin.clone(), problem })
    }

    /// Promotes a standby to primary; returns when it accepts writes.
    ///
    /// # Errors
    /// It is not a standby, or does not run.
    pub async fn promote(&self) -> Result<(), Error> {
        let server = self.server.clone();
        self.outcome(on_testkit_runtime(async move { server.promote().await }).await)
    }

    /// Stops it with a fast shutdown: sessions are cut, the data is flushed. New connections are refused when this returns.
    ///
    /// # Errors
    /// It does not run, or does not stop within a minute.
    pub async fn stop(&self) -> Result<(), Error> {
        let server = self.server.clone();
        self.outcome(on_testkit_runtime(async move { server.stop().await }).await)
    }

    /// Kills it (SIGKILL to each of its processes): nothing is flushed, and acknowledged writes must survive the restart. New
    /// connections are refused when this returns.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill(&self) -> Result<(), Error> {
        let server = self.server.clone();
        self.outcome(on_testkit_runtime(async move { server.kill().await }).await)
    }

    /// Restarts it after [`Private::stop`] or [`Private::kill`], with the same data and port; returns when it accepts
    /// sessions.
    ///
    /// # Errors
    /// It runs already, or accepts no sessions within a minute.
    pub async fn start(&self) -> Result<(), Error> {
        let server = self.server.clone();
        self.outcome(on_testkit_runtime(async move { server.start().await }).await)
    }

    fn outcome(&self, result: Result<(), String>) -> Result<(), Error> {
        result.map_err(|problem| Error::Server { server: self.description.origin.clone(), problem })
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let server = self.server.clone();
        block_on_testkit_runtime(async move { server.remove().await });
        // Without its folder, the watchdog checks once more for leftovers and ends.
        let _ = std::fs::remove_dir_all(&self.home);
    }
}
