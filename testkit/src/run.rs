//! Finds the run's server: the first process starts it and writes down where it is, under a lock that the others wait for.

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
use crate::{Error, Way, address, given, watchdog};

/// What the first process of a run wrote down.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Record {
    Running(Box<Found>),
    /// A line for each way, and why it failed: the next process would fail alike, and wait for it again.
    NoWay(String),
}

pub(crate) async fn find_or_start() -> Result<Found, Error> {
    let settings = Settings::from_env()?;
    let run = Process::run();
    let home = watchdog::home(&run, &label(&settings))?;
    let _lock = lock(&home).await?;
    let record = home.join("server.json");
    match fs::read(&record).ok().and_then(|json| serde_json::from_slice(&json).ok()) {
        Some(Record::Running(found)) => return answers(*found).await,
        Some(Record::NoWay(tried)) => return Err(Error::NoWay { tried }),
        None => {}
    }

    watchdog::reap(&watchdog::registry()?);
    let result = start(&settings, &run, &home).await;
    let written = match &result {
        Ok(found) => Record::Running(Box::new(found.clone())),
        Err(tried) => Record::NoWay(tried.clone()),
    };
    // Whole or not at all: a process that is killed here leaves no half of it.
    let half = home.join("server.json.new");
    fs::write(&half, serde_json::to_vec(&written).expect("text and numbers"))
        .and_then(|()| fs::rename(&half, &record))
        .map_err(|error| Error::io(&format!("cannot write {}", record.display()), &error))?;
    match result {
        Ok(found) => {
            crate::say(&found.description.to_string());
            Ok(found)
        }
        Err(tried) => Err(Error::NoWay { tried }),
    }
}

/// Two demands of one run (a test that sets the environment of another) have a server each.
fn label(settings: &Settings) -> String {
    let mut hasher = DefaultHasher::new();
    (settings.ways(), settings.url.as_ref().map(Url::as_str), &settings.image).hash(&mut hasher);
    format!("run-{:016x}", hasher.finish())
}

/// Waits until no other process of the run is at it. Goes with the file, and with the process.
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

/// A server that was there and is gone (out of memory, or somebody stopped it) is worth its own error.
async fn answers(found: Found) -> Result<Found, Error> {
    if found.description.way == Way::Url {
        return Ok(found);
    }
    let place = address::place(&found.url);
    let problem = match tokio::time::timeout(Duration::from_secs(10), TcpStream::connect(place)).await {
        Ok(Ok(_)) => return Ok(found),
        Ok(Err(error)) => error.to_string(),
        Err(_) => "no answer within 10 s".to_owned(),
    };
    Err(Error::Server {
        server: found.description.to_string(),
        problem: format!("an earlier process of this run started it, and now it does not answer: {problem}"),
    })
}

/// Tries the ways in order. An error has a line for each.
async fn start(settings: &Settings, run: &Process, home: &Path) -> Result<Found, String> {
    let mut tried = Vec::new();
    for way in settings.ways() {
        let result = match (way, &settings.url) {
            (Way::Url, Some(url)) => given::start(url, run, home).await,
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

/// A line for each way that was tried, for [`Error::NoWay`].
pub(crate) fn lines(tried: &[String]) -> String {
    tried.iter().flat_map(|line| ["  ", line, "\n"]).collect()
}
