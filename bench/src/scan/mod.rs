//! How fast a whole namespace is read: through the gateway, and by the databases' own tools from the same tables.

mod readers;
mod report;

use std::sync::Arc;
use std::time::Instant;

use clap::builder::TypedValueParser as _;
use serde::Serialize;

use self::readers::{gateway, psql, sqlite3};
pub use self::report::{Report, Row};
use crate::arguments::{At, Output, value_bytes};
use crate::client::Grpc;
use crate::failure::Failure;
use crate::load::Step;
use crate::load::keys::{Choice, Keys};
use crate::load::mix::Mix;
use crate::load::preload::preload;
use crate::load::state::State;
use crate::process::{data_folder, find};
use crate::target::{Kind, Places, Postgres, Started, Target, postgres_folders, sizes, start};

/// What to scan, and how often.
#[derive(Debug, Clone, clap::Args, Serialize)]
pub struct Options {
    /// How often each reader reads all.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u16).range(1..).map(usize::from))]
    pub rounds: usize,
    /// Records.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub records: u64,
    /// Items of each.
    #[arg(long, default_value_t = 100, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub items_per_record: u32,
    /// Bytes of each value, from 16: N, or MIN..MAX.
    #[arg(long, default_value = "100", value_parser = value_bytes)]
    pub value_bytes: String,
    /// The readers, separated by commas.
    #[arg(long, value_enum, value_delimiter = ',', default_values_t = [Reader::PrismSqlite, Reader::Sqlite3, Reader::PrismPostgres, Reader::Psql])]
    pub only: Vec<Reader>,
    /// Where programs and data are.
    #[command(flatten)]
    #[serde(flatten)]
    pub at: At,
    /// Where the figures go besides.
    #[command(flatten)]
    #[serde(skip)]
    pub output: Output,
}

/// Who reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Reader {
    /// The stream Scan of a gateway on SQLite.
    PrismSqlite,
    /// `sqlite3`, from the same file into a file, as CSV.
    Sqlite3,
    /// The stream Scan of a gateway on Postgres.
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

    /// What would bring it.
    fn missing(self) -> Option<&'static str> {
        let (program, how) = match self {
            Self::PrismSqlite | Self::PrismPostgres => return None,
            Self::Sqlite3 => ("sqlite3", "apt-get install sqlite3"),
            Self::Psql => ("psql", "apt-get install postgresql-client"),
        };
        if find(program, &postgres_folders()).is_some() { None } else { Some(how) }
    }
}

/// A gateway with its data.
struct Stored {
    target: Box<Target>,
    client: Grpc,
    state: Arc<State>,
}

/// Measures, round by round.
///
/// # Errors
/// A server or a tool fails, an item is wrong, or a reader finds another number of items than was written.
pub async fn run(options: &Options) -> Result<Report, Failure> {
    let places = Places::of(&options.at)?;
    let needed = options.only.iter().any(|reader| reader.gateway().needs_postgres());
    let postgres = if needed { Postgres::start(&places)? } else { None };
    let mut gateways: Vec<Stored> = Vec::new();
    let mut rows: Vec<Row> = Vec::new();
    for &reader in &options.only {
        let kind = reader.gateway();
        let mut missing = reader.missing();
        if missing.is_none() && gateways.iter().all(|stored| stored.target.kind != kind) {
            match start(kind, &places, postgres.as_ref(), &options.value_bytes).await? {
                Started::Running(target) => gateways.push(stored(target, options).await?),
                Started::NotInstalled(how) => missing = Some(how),
            }
        }
        rows.push(Row::new(reader, missing));
    }
    let items = options.records * u64::from(options.items_per_record);
    for _ in 0..options.rounds {
        for row in rows.iter_mut().filter(|row| row.not_installed.is_none()) {
            let kind = row.reader.gateway();
            let Some(stored) = gateways.iter_mut().find(|stored| stored.target.kind == kind) else {
                continue;
            };
            let (count, seconds) = read(row.reader, stored, options).await?;
            if count != items {
                let name = crate::arguments::word(&row.reader);
                return Err(Failure::Failed(format!("{name} read {count} items, and {items} were written")));
            }
            row.seconds.push(seconds);
        }
    }
    let mut versions: Vec<String> = gateways.iter().map(|stored| stored.target.version.clone()).collect();
    versions.extend(postgres.as_ref().map(|postgres| postgres.description.clone()));
    drop(gateways);
    Ok(Report::new(options, rows, items, versions))
}

async fn stored(target: Box<Target>, options: &Options) -> Result<Stored, Failure> {
    let values = sizes(&options.value_bytes).map_err(Failure::Usage)?;
    let keys = Keys::new(Choice::Uniform, options.records).map_err(Failure::Usage)?;
    let (records, items) = (options.records, options.items_per_record);
    let state = Arc::new(State::new(Mix::only(Step::Scan), keys, values, records, items));
    let client = Grpc::connect(&target.endpoint, true).await?;
    preload(std::slice::from_ref(&client), &state).await?;
    Ok(Stored { target, client, state })
}

/// Items read, and seconds that it took.
async fn read(reader: Reader, stored: &mut Stored, options: &Options) -> Result<(u64, f64), Failure> {
    let folder = data_folder(options.at.data.as_deref())?;
    let file = folder.path().join("rows.csv");
    let began = Instant::now();
    if let Reader::PrismSqlite | Reader::PrismPostgres = reader {
        let count = gateway(&mut stored.client, &stored.state).await?;
        return Ok((count, began.elapsed().as_secs_f64()));
    }
    let mut command = match reader {
        Reader::Sqlite3 => sqlite3(&stored.target.database, &file)?,
        _ => psql(&stored.target.database, &file),
    };
    let ended = tokio::task::spawn_blocking(move || command.output()).await;
    let seconds = began.elapsed().as_secs_f64();
    let name = crate::arguments::word(&reader);
    let output = ended.map_err(|why| Failure::of(&name, &why))?.map_err(|why| Failure::of(&name, &why))?;
    if !output.status.success() {
        return Err(Failure::of(&name, &String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok((readers::lines(&file)?, seconds))
}
