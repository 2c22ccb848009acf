//! pgbench, Postgres' own load generator: the same statements on an equivalent table. The latencies are its own.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use sqlx::{Connection as _, Executor as _, PgConnection};

use crate::compare::Operation;
use crate::cpu::children_cpu_time;
use crate::failure::Failure;
use crate::process::data_folder;
use crate::tally::{Figures, Tally};
use crate::target::PGBENCH_TABLE;

/// Parameters of a pgbench run.
#[derive(Debug, Clone, Copy)]
pub struct Load {
    /// The operation.
    pub operation: Operation,
    /// Sessions, one statement at a time on each.
    pub clients: usize,
    /// Number of records.
    pub records: u64,
    /// Bytes of the values written.
    pub value_bytes: usize,
    /// Warm-up, not counted.
    pub warm_up: Duration,
    /// Measured time.
    pub length: Duration,
}

/// Writes every record once.
///
/// # Errors
/// The server returns an error.
pub async fn preload(url: &str, records: u64, value_bytes: usize) -> Result<(), Failure> {
    let failed = |why: sqlx::Error| Failure::of("pgbench", &why);
    let mut connection = PgConnection::connect(url).await.map_err(failed)?;
    let sql = format!(
        "INSERT INTO {PGBENCH_TABLE} SELECT 'bench', convert_to('r' || n, 'UTF8'), 'k', \
         convert_to(repeat('x', {value_bytes}), 'UTF8') FROM generate_series(0, {}) n; ANALYZE {PGBENCH_TABLE}",
        records - 1
    );
    connection.execute(sqlx::raw_sql(sqlx::AssertSqlSafe(sql))).await.map_err(failed)?;
    Ok(())
}

/// Runs pgbench and evaluates its transaction log.
///
/// # Errors
/// pgbench fails, or its log cannot be read.
pub async fn measure(program: &Path, url: &str, load: Load) -> Result<Figures, Failure> {
    let folder = data_folder(None)?;
    let script = folder.path().join("script.sql");
    std::fs::write(&script, statement(load)).map_err(|why| Failure::of("pgbench", &why))?;
    let seconds = (load.warm_up + load.length).as_secs_f64().ceil();
    let mut command = Command::new(program);
    command
        .args(["-n", "-M", "prepared", "--log", "--log-prefix", "transactions"])
        .args(["-c", &load.clients.to_string(), "-j", &load.clients.min(crate::machine::cores()).to_string()])
        .args(["-T", &seconds.to_string(), "-f"])
        .arg(&script)
        .arg(url)
        .current_dir(folder.path())
        .stdin(Stdio::null());
    let (began, used) = (Instant::now(), children_cpu_time());
    let output = tokio::task::spawn_blocking(move || command.output())
        .await
        .map_err(|why| Failure::of("pgbench", &why))?
        .map_err(|why| Failure::of("pgbench", &why))?;
    #[expect(clippy::cast_precision_loss, reason = "a machine has fewer than 2^52 cores")]
    let capacity = began.elapsed().as_secs_f64() * crate::machine::cores() as f64;
    let cpu = children_cpu_time().saturating_sub(used).as_secs_f64() / capacity;
    if !output.status.success() {
        return Err(Failure::of("pgbench", &String::from_utf8_lossy(&output.stderr).trim()));
    }
    let mut lines = Vec::new();
    for file in std::fs::read_dir(folder.path()).map_err(|why| Failure::of("pgbench", &why))?.flatten() {
        if file.file_name().to_string_lossy().starts_with("transactions") {
            let log = std::fs::read_to_string(file.path()).map_err(|why| Failure::of("pgbench", &why))?;
            lines.extend(log.lines().filter_map(transaction));
        }
    }
    Ok(tally(&lines, load.warm_up, load.length).figures(load.length, cpu))
}

fn statement(load: Load) -> String {
    let Load { records, value_bytes, .. } = load;
    let id = "convert_to('r' || :r::bigint, 'UTF8')";
    let random = format!("\\set r random(0, {})\n", records - 1);
    match load.operation {
        Operation::Put => format!(
            "{random}INSERT INTO {PGBENCH_TABLE} (namespace, id, key, value) VALUES ('bench', {id}, 'k', \
             convert_to(repeat('x', {value_bytes}), 'UTF8')) ON CONFLICT (namespace, id, key) \
             DO UPDATE SET value = excluded.value;\n"
        ),
        Operation::Get => format!(
            "{random}SELECT value FROM {PGBENCH_TABLE} WHERE namespace = 'bench' AND id = {id} AND key = 'k';\n"
        ),
    }
}

/// End of a transaction in microseconds since the epoch, and its latency, from `client number time script epoch µs`.
fn transaction(line: &str) -> Option<(u64, u64)> {
    let mut fields = line.split(' ').skip(2);
    let time = fields.next()?.parse().ok()?;
    let (epoch, microseconds): (u64, u64) = (fields.nth(1)?.parse().ok()?, fields.next()?.parse().ok()?);
    Some((epoch * 1_000_000 + microseconds, time))
}

/// Counts the transactions that ended within the window; time starts with the first transaction.
fn tally(transactions: &[(u64, u64)], warm_up: Duration, length: Duration) -> Tally {
    let mut tally = Tally::default();
    let micros = |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
    let first = transactions.iter().map(|(ended, took)| ended - took).min().unwrap_or(0);
    let from = first + micros(warm_up);
    for (ended, took) in transactions {
        if (from..from + micros(length)).contains(ended) {
            tally.completed();
            tally.latency(Duration::from_micros(*took));
        }
    }
    tally
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_lines_are_parsed_and_only_the_window_counts() {
        let log =
            "0 1 400 0 1700000000 000400\n1 1 300 0 1700000000 600000\n0 2 250 0 1700000001 999999\ngarbage";
        let lines: Vec<_> = log.lines().filter_map(transaction).collect();
        assert_eq!(lines[0], (1_700_000_000_000_400, 400));
        assert_eq!(lines.len(), 3);
        let counted = tally(&lines, Duration::from_millis(500), Duration::from_secs(1));
        assert_eq!(counted.answers(), 1, "the first is warm-up, the last comes after the end");
        assert_eq!(counted.figures(Duration::from_secs(1), 0.0).p50_ns / 1000, 300);
    }
}
