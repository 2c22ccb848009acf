//! The TimeSeries suite against the gateway over real sockets: the same `run` as the command line, over each backend, and
//! over all at once.

#[path = "conformance/hosted.rs"]
mod hosted;
#[path = "conformance/timeseries.rs"]
mod timeseries;

use std::sync::Arc;

use prism_backends::{Postgres, Sqlite, postgres, sqlite};
use prism_conformance::timeseries::wire::Served;
use prism_conformance::trial::Suite;
use prism_conformance::wire::CaughtUp;
use prism_conformance::{Abilities, Ability, OpenError};
use prism_contract::Timestamp;
use prism_contract::timeseries::{Memory, TimeSeriesBackend};
use prism_testkit::{Backend, LazySchema, left_out};
use tempfile::TempDir;

use hosted::{Hosted, Open, Switched};
use timeseries::{Gateway, Part};

const KEEPS_NOTHING: Abilities = Abilities::NONE
    .with(Ability::ManualClock)
    .with(Ability::Sweep)
    .with(Ability::Outage)
    .with(Ability::Policies);
const KEEPS_ALL: Abilities = KEEPS_NOTHING.with(Ability::Restart).with(Ability::Crash);
/// Two gateways on one database.
const SHARED: Abilities = KEEPS_ALL.with(Ability::Gateways);

/// When the manual clock begins: long after 1970, so that times before it are valid.
const BEGINNING: i64 = 1_600_000_000_000_000;

fn main() -> std::process::ExitCode {
    Suite::of_test(env!("CARGO_PKG_NAME"), env!("CARGO_CRATE_NAME"))
        .with(served(
            "memory-gateway",
            KEEPS_NOTHING,
            1,
            || Ok(()),
            |_| async { Ok(vec![Part::new("memory", Arc::new(Memory::default()))]) },
        ))
        .with(
            served("sqlite-gateway", KEEPS_ALL, 1, folder, |folder| async move {
                Ok(vec![Part::new("sqlite", open_sqlite(&folder).await?)])
            })
            .leaving_out(left_out(Backend::Sqlite)),
        )
        .with(
            served(
                "postgres-gateway",
                SHARED,
                2,
                || Ok(LazySchema::new()),
                |schema| async move { Ok(vec![Part::new("postgres", open_postgres(&schema).await?)]) },
            )
            .leaving_out(left_out(Backend::Postgres)),
        )
        .with(
            served("stack-gateway", SHARED, 2, stack, |stack| async move {
                let (folder, schema, memory) = &*stack;
                Ok(vec![
                    Part::new("memory", Arc::clone(memory) as Arc<dyn TimeSeriesBackend>),
                    Part::new("postgres", open_postgres(schema).await?),
                    Part::new("sqlite", open_sqlite(folder).await?),
                ])
            })
            .leaving_out(left_out(Backend::Postgres)),
        )
        .main()
}

/// The databases of a gateway on all backends at once.
type Stack = (TempDir, LazySchema, Arc<Memory>);

fn stack() -> Result<Stack, OpenError> {
    Ok((folder()?, LazySchema::new(), Arc::default()))
}

fn folder() -> Result<TempDir, OpenError> {
    tempfile::tempdir().map_err(OpenError::new)
}

async fn open_sqlite(folder: &TempDir) -> Result<Arc<dyn TimeSeriesBackend>, OpenError> {
    let options = sqlite::Options::new(folder.path().join("prism.db"));
    Ok(Arc::new(Sqlite::open(options).await.map_err(OpenError::new)?))
}

async fn open_postgres(schema: &LazySchema) -> Result<Arc<dyn TimeSeriesBackend>, OpenError> {
    let url = schema.url().await.map_err(OpenError::new)?;
    Ok(Arc::new(Postgres::open(postgres::Options::new(url)).await.map_err(OpenError::new)?))
}

/// `count` gateways, each over the backends that `open` opens at a shared location.
fn served<S, O>(
    name: &str,
    abilities: Abilities,
    count: usize,
    locate: fn() -> Result<S, OpenError>,
    open: fn(Arc<S>) -> O,
) -> Served
where
    S: Send + Sync + 'static,
    O: Future<Output = Result<Vec<Part>, OpenError>> + Send + 'static,
{
    let host = move || async move {
        let location = Arc::new(locate()?);
        let open: Open = Box::new(move || {
            let opening = open(Arc::clone(&location));
            Box::pin(async move { Ok(Arc::new(Gateway::new(opening.await?)) as Arc<dyn Switched>) })
        });
        Hosted::start(open, count, Timestamp::from_micros(BEGINNING).map_err(OpenError::new)?).await
    };
    // A gateway makes a message without events only after it has looked.
    Served::new(name, host).able(abilities).with_caught_up(CaughtUp::EmptyMessage)
}
