//! A server of a test's own, which it may stop, kill and start again: for tests of outages and of what outlives them.

use std::path::PathBuf;

use crate::launch::Server;
use crate::process::Process;
use crate::runtime::{on_own_runtime, wait_on_own_runtime};
use crate::settings::Settings;
use crate::{Backend, Description, Error, Way, address, binaries, run, watchdog};

/// A server of a test's own. It goes when the value is dropped, or when the process is gone. Starting one takes a second or
/// two, so a test that can do with [`crate::Cuttable`] should.
///
/// It is a container or a throwaway cluster, never the server of `PRISM_TEST_POSTGRES_URL`: nobody stops that.
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
        Self::launch_by(None).await
    }

    /// Starts a server by PostgreSQL's own programs, whatever the way to other servers is: only such a one has a
    /// [`standby`](Self::standby). See [`crate::lacks`] for where they are not installed.
    ///
    /// # Errors
    /// As [`crate::Postgres::shared`].
    pub async fn launch_by_programs() -> Result<Self, Error> {
        Self::launch_by(Some(Way::Binaries)).await
    }

    async fn launch_by(way: Option<Way>) -> Result<Self, Error> {
        on_own_runtime(async move {
            if crate::left_out(Backend::Postgres).is_some() {
                return Err(Error::LeftOut(std::env::var("PRISM_TEST_BACKENDS").unwrap_or_default()));
            }
            let settings = Settings::from_env()?;
            let owner = Process::own();
            let mut tried = Vec::new();
            for way in way.map_or_else(|| settings.private_ways(), |way| vec![way]) {
                // A folder for each: a watchdog that has nothing to do any more goes with its folder.
                let name = binaries::random().map_err(Error::Machine)?;
                let home = watchdog::home(&owner, &format!("private-{name}"))?;
                match Server::launch(way, &settings.image, &owner, &home).await {
                    Ok((server, found)) => {
                        let mut description = found.description;
                        description.notes = tried;
                        return Ok(Self { server, url: found.url.into(), description, home });
                    }
                    Err(problem) => {
                        // The watchdog takes what was half made, and then the folder.
                        tried.push(format!("no {}: {problem}", way.name()));
                    }
                }
            }
            Err(Error::NoWay { tried: run::lines(&tried) })
        })
        .await
    }

    /// The address of its test database, by a superuser. It stays the same when the server is started again.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// How the server was made, its version, collation and durability settings.
    pub fn describe(&self) -> &Description {
        &self.description
    }

    /// A standby of its own that streams from it (`pg_basebackup`), with the same databases, users and passwords. It answers
    /// reads, and is behind by what it has not yet replayed.
    ///
    /// # Errors
    /// The server is a container, or does not run, or `pg_basebackup` fails.
    pub async fn standby(&self) -> Result<Self, Error> {
        let (server, description) = (self.server.clone(), self.description.clone());
        let url: url::Url = self.url.parse().map_err(|error| Error::Machine(format!("{error}")))?;
        let standby = on_own_runtime(async move {
            let owner = Process::own();
            let home = watchdog::home(&owner, &format!("private-{}", binaries::random()?))
                .map_err(|error| error.to_string())?;
            let (server, port) = server.standby(owner, &home).await?;
            Ok(Self { server, url: address::with_place(&url, port).into(), description, home })
        });
        standby.await.map_err(|problem| Error::Server { server: self.description.origin.clone(), problem })
    }

    /// Makes a standby a primary, and returns when it takes writes.
    ///
    /// # Errors
    /// It is none, or does not run.
    pub async fn promote(&self) -> Result<(), Error> {
        let server = self.server.clone();
        self.outcome(on_own_runtime(async move { server.promote().await }).await)
    }

    /// Stops it in order (a fast shutdown): sessions are cut, the data is flushed. New connections are refused when this
    /// returns.
    ///
    /// # Errors
    /// It does not run, or does not stop within a minute.
    pub async fn stop(&self) -> Result<(), Error> {
        let server = self.server.clone();
        self.outcome(on_own_runtime(async move { server.stop().await }).await)
    }

    /// Kills it (SIGKILL to each of its processes): nothing is flushed, and what it had acknowledged must be there when it
    /// has started again. New connections are refused when this returns.
    ///
    /// # Errors
    /// It does not run.
    pub async fn kill(&self) -> Result<(), Error> {
        let server = self.server.clone();
        self.outcome(on_own_runtime(async move { server.kill().await }).await)
    }

    /// Starts it again after [`Private::stop`] or [`Private::kill`], on the same data and the same port, and returns when it
    /// takes sessions.
    ///
    /// # Errors
    /// It runs already, or does not take sessions within a minute.
    pub async fn start(&self) -> Result<(), Error> {
        let server = self.server.clone();
        self.outcome(on_own_runtime(async move { server.start().await }).await)
    }

    fn outcome(&self, result: Result<(), String>) -> Result<(), Error> {
        result.map_err(|problem| Error::Server { server: self.description.origin.clone(), problem })
    }
}

impl Drop for Private {
    fn drop(&mut self) {
        let server = self.server.clone();
        wait_on_own_runtime(async move { server.remove().await });
        // The watchdog sees that its folder is gone, looks once more for what may be left, and ends.
        let _ = std::fs::remove_dir_all(&self.home);
    }
}
