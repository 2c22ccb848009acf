//! Scan throughput of a whole namespace: through the gateway, and with the databases' own tools on the same tables.

mod readers;
mod report;

use std::sync::Arc;
use std::time::Instant;

use clap::builder::TypedValueParser as _;
use serde::Serialize;

use self::readers::{gateway, psql, sqlite3};
pub use self::report::{Report, Row};
use crate::arguments::{LocationOptions, Output, value_bytes};
use crate::client::Grpc;
use crate::failure::Failure;
use crate::load::Step;
use crate::load::keys::{Choice, Keys};
use crate::load::mix::Mix;
use crate::load::preload::preload;
use crate::load::state::State;
use crate::process::{data_folder, find};
use crate::target::{Kind, Locations, Postgres, Started, Target, postgres_folders, sizes, start};

/// Options of `scan`.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct Options {
    /// Number of full reads per reader.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub rounds: usize,
    /// Records.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub records: u64,
    /// Items per record.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub items_per_record: u32,
    /// Bytes per value, at least 16: N, or MIN..MAX.
    #[arg(long, default_value = "100", value_parser = value_bytes)]
    pub value_bytes: String,
    /// The readers, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Reader::PrismSqlite, Reader::Sqlite3, Reader::PrismPostgres, Reader::Psql])]
    pub only: Vec<Reader>,
    /// Locations of programs and data.
    #[command(flatten)]
    #[serde(flatten)]
    pub locations: LocationOptions,
    /// Output files.
    #[command(flatten)]
    #[serde(skip)]
    pub output: Output,
}

/// A reader.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reader {
    /// The Scan stream of a gateway on SQLite.
    PrismSqlite,
    /// `sqlite3`, from the same file into a file, as CSV.
    Sqlite3,
    /// The Scan stream of a gateway on Postgres.
    PrismPostgres,
    /// `psql`, from the same table into a file: \copy, as CSV.
    Psql,
}

impl Reader {
    fn gateway(self) -> Kind {
        match self {
            Self::PrismSqlite | Self::Sqlite3 => Kind::PrismSqlite,
            Self::PrismPostgres | Self::Psql => Kind::PrismPostgres,
        }
    }

    /// How to install it, if it is missing.
    fn missing(self) -> Option<&'static str> {
        let (program, how) = match self {
            Self::PrismSqlite | Self::PrismPostgres => return None,
            Self::Sqlite3 => ("sqlite3", "apt-get install sqlite3"),
            Self::Psql => ("psql", "apt-get install postgresql-client"),
        };
        if find(program, &postgres_folders()).is_some() { None } else { Some(how) }
    }
}

/// A gateway with preloaded data.
struct Preloaded {
    target: Box<Target>,
    client: Grpc,
    state: Arc<State>,
}

/// Measures, round by round.
///
/// # Errors
/// A server or a tool fails, an item is wrong, or a reader returns the wrong number of items.
pub async fn run(options: &Options) -> Result<Report, Failure> {
    let locations = Locations::of(&options.locations)?;
    let needed = options.only.iter().any(|reader| reader.gateway().needs_postgres());
    let postgres = if needed { Postgres::start(&locations)? } else { None };
    let mut gateways: Vec<Preloaded> = Vec::new();
    let mut rows: Vec<Row> = Vec::new();
    for &reader in &options.only {
        let kind = reader.gateway();
        let mut missing = reader.missing();
        if missing.is_none() && gateways.iter().all(|preloaded| preloaded.target.kind != kind) {
            match start(kind, &locations, postgres.as_ref(), &options.value_bytes).await? {
                Started::Running(target) => gateways.push(preload_target(target, options).await?),
                Started::NotInstalled(how) => missing = Some(how),
            }
        }
        rows.push(Row::new(reader, missing));
    }
    let items = options.records * u64::from(options.items_per_record);
    for _ in 0..options.rounds {
        for row in rows.iter_mut().filter(|row| row.not_installed.is_none()) {
            let kind = row.reader.gateway();
            let Some(preloaded) = gateways.iter_mut().find(|preloaded| preloaded.target.kind == kind) else {
                continue;
            };
            let (count, seconds) = read(row.reader, preloaded, options).await?;
            if count != items {
                let name = crate::arguments::value_name(&row.reader);
                return Err(Failure::Failed(format!("{name} read {count} items, but {items} were written")));
            }
            row.seconds.push(seconds);
        }
    }
    let mut versions: Vec<String> =
        gateways.iter().map(|preloaded| preloaded.target.version.clone()).collect();
    versions.extend(postgres.as_ref().map(|postgres| postgres.description.clone()));
    drop(gateways);
    Ok(Report::new(options, rows, items, versions))
}

async fn preload_target(target: Box<Target>, options: &Options) -> Result<Preloaded, Failure> {
    let values = sizes(&options.value_bytes).map_err(Failure::Usage)?;
    let keys = Keys::new(Choice::Uniform, options.records).map_err(Failure::Usage)?;
    let (records, items) = (options.records, options.items_per_record);
    let state = Arc::new(State::new(Mix::only(Step::Scan), keys, values, records, items));
    let client = Grpc::connect(&target.endpoint, true).await?;
    preload(std::slice::from_ref(&client), &state).await?;
    Ok(Preloaded { target, client, state })
}

/// Number of items read, and the duration in seconds.
async fn read(reader: Reader, preloaded: &mut Preloaded, options: &Options) -> Result<(u64, f64), Failure> {
    let folder = data_folder(options.locations.data.as_deref())?;
    let file = folder.path().join("rows.csv");
    let began = Instant::now();
    if let Reader::PrismSqlite | Reader::PrismPostgres = reader {
        let count = gateway(&mut preloaded.client, &preloaded.state).await?;
        return Ok((count, began.elapsed().as_secs_f64()));
    }
    let mut command = match reader {
        Reader::Sqlite3 => sqlite3(&preloaded.target.database, &file)?,
        _ => psql(&preloaded.target.database, &file),
    };
    let ended = tokio::task::spawn_blocking(move || command.output()).await;
    let seconds = began.elapsed().as_secs_f64();
    let name = crate::arguments::value_name(&reader);
    let output = ended.map_err(|why| Failure::of(&name, &why))?.map_err(|why| Failure::of(&name, &why))?;
    if !output.status.success() {
        return Err(Failure::of(&name, &String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok((readers::lines(&file)?, seconds))
}
