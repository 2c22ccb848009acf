//! Starts a server, as a container or from PostgreSQL's binaries, and creates the test database on it.

use std::path::Path;

use tokio::task::spawn_blocking;
use url::Url;

use crate::binaries::Cluster;
use crate::container::Container;
use crate::description::Description;
use crate::process::Process;
use crate::server::Found;
use crate::{Way, address, database, names, session};

const NO_STANDBY: &str = "a standby requires PostgreSQL's binaries, not a container";

/// A server started by the testkit, which may stop it.
#[derive(Clone, Debug)]
pub(crate) enum Server {
    Cluster(Cluster),
    Container(Container),
}

impl Server {
    /// Starts a server that is removed when `owner` ends, and creates its test database.
    pub(crate) async fn launch(
        way: Way,
        image: &str,
        owner: &Process,
        home: &Path,
    ) -> Result<(Self, Found), String> {
        let server = match way {
            Way::Container => Self::Container(Container::start_new(image, owner, home).await?),
            Way::Binaries => Self::Cluster(cluster(Cluster::create, owner.clone(), home).await?),
            Way::Download => Self::Cluster(cluster(Cluster::create_downloaded, owner.clone(), home).await?),
            Way::Url => return Err("an external server cannot be started by the tests".to_owned()),
        };
        let (url, origin) = match &server {
            Self::Cluster(cluster) => (cluster.url(), cluster.origin()),
            Self::Container(container) => (container.url(), container.origin()),
        };
        match prepare(&url, owner, way, origin).await {
            Ok(found) => Ok((server, found)),
            Err(error) => {
                server.remove().await;
                Err(error.to_string())
            }
        }
    }

    /// Restarts it with the same data and port, and waits until it accepts sessions.
    pub(crate) async fn start(&self) -> Result<(), String> {
        match self {
            Self::Cluster(cluster) => blocking(cluster, Cluster::start).await,
            Self::Container(container) => container.start().await,
        }
    }

    /// Fast shutdown: sessions are cut, the data is flushed.
    pub(crate) async fn stop(&self) -> Result<(), String> {
        match self {
            Self::Cluster(cluster) => blocking(cluster, Cluster::stop).await,
            Self::Container(container) => container.stop().await,
        }
    }

    /// Starts a standby that streams from it; also returns the standby's port.
    pub(crate) async fn standby(&self, owner: Process, home: &Path) -> Result<(Self, u16), String> {
        let Self::Cluster(cluster) = self else { return Err(NO_STANDBY.to_owned()) };
        let (cluster, home) = (cluster.clone(), home.to_owned());
        let standby = spawn_blocking(move || cluster.standby(&owner, &home))
            .await
            .map_err(|failure| failure.to_string())??;
        let port = standby.port;
        Ok((Self::Cluster(standby), port))
    }

    /// Promotes a standby to primary.
    pub(crate) async fn promote(&self) -> Result<(), String> {
        match self {
            Self::Cluster(cluster) => blocking(cluster, Cluster::promote).await,
            Self::Container(_) => Err(NO_STANDBY.to_owned()),
        }
    }

    /// SIGKILL to all its processes.
    pub(crate) async fn kill(&self) -> Result<(), String> {
        match self {
            Self::Cluster(cluster) => blocking(cluster, Cluster::kill).await,
            Self::Container(container) => container.kill().await,
        }
    }

    /// Stops it, if it runs, and deletes its data.
    pub(crate) async fn remove(&self) {
        match self {
            Self::Cluster(cluster) => {
                let _ = blocking(cluster, |cluster| {
                    cluster.remove();
                    Ok(())
                })
                .await;
            }
            Self::Container(container) => container.remove().await,
        }
    }
}

async fn blocking(
    cluster: &Cluster,
    work: impl FnOnce(&Cluster) -> Result<(), String> + Send + 'static,
) -> Result<(), String> {
    let cluster = cluster.clone();
    spawn_blocking(move || work(&cluster)).await.map_err(|failure| failure.to_string())?
}

async fn cluster(
    create: fn(&Process, &Path) -> Result<Cluster, String>,
    owner: Process,
    home: &Path,
) -> Result<Cluster, String> {
    let home = home.to_owned();
    spawn_blocking(move || {
        let mut cluster = create(&owner, &home)?;
        if let Err(problem) = cluster.start_on_a_free_port() {
            cluster.remove();
            return Err(problem);
        }
        Ok(cluster)
    })
    .await
    .map_err(|failure| failure.to_string())?
}

/// Creates the test database, with a linguistic collation.
async fn prepare(server: &Url, owner: &Process, way: Way, origin: String) -> Result<Found, sqlx::Error> {
    let prefix = names::of_run(owner);
    let mut connection = session::connect(server).await?;
    let collation = database::create(&mut connection, &prefix).await?;
    let url = address::with_database(server, &prefix);
    let mut connection = session::connect(&url).await?;
    let description = Description::read(&mut connection, way, origin).await?;
    Ok(Found { url, description, collation: Some(collation.to_owned()), prefix })
}
