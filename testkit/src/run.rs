//! Lookup of the run's server: the first process starts and records it, under a lock on which the others wait.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::net::TcpStream;
use tokio::task::spawn_blocking;
use url::Url;

use crate::launch::Server;
use crate::process::Process;
use crate::server::Found;
use crate::settings::Settings;
use crate::{Error, Way, address, external, watchdog};

/// The record written by the first process of a run.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Running(Box<Found>),
    /// One line per failed way. Recorded, because each further process would only wait for the same failure.
    NoWay(String),
}

pub(crate) async fn find_or_start() -> Result<Found, Error> {
    let settings = Settings::from_env()?;
    let run = Process::run();
    let home = watchdog::home(&run, &label(&settings))?;
    let _lock = lock(&home).await?;
    let record = home.join("server.json");
    match fs::read(&record).ok().and_then(|json| serde_json::from_slice(&json).ok()) {
        Some(Record::Running(found)) => return check_reachable(*found).await,
        Some(Record::NoWay(tried)) => return Err(Error::NoWay { tried }),
        None => {}
    }

    watchdog::reap(&watchdog::registry()?);
    let result = start(&settings, &run, &home).await;
    let written = match &result {
        Ok(found) => Record::Running(Box::new(found.clone())),
        Err(tried) => Record::NoWay(tried.clone()),
    };
    // Atomic replacement: a kill in between leaves no partial record.
    let partial = home.join("server.json.new");
    fs::write(&partial, serde_json::to_vec(&written).expect("text and numbers"))
        .and_then(|()| fs::rename(&partial, &record))
        .map_err(|error| Error::io(&format!("cannot write {}", record.display()), &error))?;
    match result {
        Ok(found) => {
            crate::report(&found.description.to_string());
            Ok(found)
        }
        Err(tried) => Err(Error::NoWay { tried }),
    }
}

/// One server per combination of settings: a test may start another with a different environment.
fn label(settings: &Settings) -> String {
    let mut hasher = DefaultHasher::new();
    (settings.ways(), settings.url.as_ref().map(Url::as_str), &settings.image).hash(&mut hasher);
    format!("run-{:016x}", hasher.finish())
}

/// Waits for the run's lock. It is released when the file is dropped or the process ends.
async fn lock(home: &Path) -> Result<File, Error> {
    let path = home.join("lock");
    let problem = |error: std::io::Error| Error::io("cannot lock the folder of the run", &error);
    spawn_blocking(move || {
        let file = File::create(path)?;
        file.lock()?;
        Ok(file)
    })
    .await
    .expect("locking a file does not panic")
    .map_err(problem)
}

/// Separate error for a server that ran and ended (out of memory, or stopped by hand).
async fn check_reachable(found: Found) -> Result<Found, Error> {
    if found.description.way == Way::Url {
        return Ok(found);
    }
    let target = address::host_and_port(&found.url);
    let problem = match tokio::time::timeout(Duration::from_secs(10), TcpStream::connect(target)).await {
        Ok(Ok(_)) => return Ok(found),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer within 10 s".to_owned(),
    };
    Err(Error::Server {
        server: found.description.to_string(),
        problem: format!("started by an earlier process of this run, unreachable now: {problem}"),
    })
}

/// Tries the ways in order. The error has one line per way.
async fn start(settings: &Settings, run: &Process, home: &Path) -> Result<Found, String> {
    let mut tried = Vec::new();
    for way in settings.ways() {
        let result = match (way, &settings.url) {
            (Way::Url, Some(url)) => external::start(url, run, home).await,
            (way, _) => Server::launch(way, &settings.image, run, home).await.map(|(_, found)| found),
        };
        match result {
            Ok(mut found) => {
                found.description.notes.extend(tried);
                return Ok(found);
            }
            Err(problem) => tried.push(format!("no {}: {problem}", way.name())),
        }
    }
    Err(lines(&tried))
}

/// One line per way tried, for [`Error::NoWay`].
pub(crate) fn lines(tried: &[String]) -> String {
    tried.iter().flat_map(|line| ["  ", line, "\n"]).collect()
}
