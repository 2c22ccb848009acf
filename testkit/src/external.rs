//! An external server: the tests' databases and schemas are created on it, nothing else is touched.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use url::Url;

use crate::description::Description;
use crate::names::{self, Creator};
use crate::process::Process;
use crate::server::Found;
use crate::watchdog::{self, Leftover};
use crate::{Way, address, database, session};

/// Minimum age for removing leftovers of another machine, whose runs cannot be checked from here.
const REMOTE_AGE: &str = "24 hours";

/// Connects, removes leftovers of dead runs, and creates this run's database. If the role may not create databases, the
/// tests' schemas go into the URL's database.
pub(crate) async fn start(server: &Url, run: &Process, home: &std::path::Path) -> Result<Found, String> {
    let problem = |error: sqlx::Error| error.to_string();
    let mut connection = session::connect(server).await.map_err(problem)?;
    reap(&mut connection).await.map_err(problem)?;

    let prefix = names::of_run(run);
    let mut notes = Vec::new();
    let (url, collation) = match database::create(&mut connection, &prefix).await {
        Ok(collation) => {
            set_timestamp_comment(&mut connection, "DATABASE", &prefix).await.map_err(problem)?;
            notes.extend(watch(server, run, home, &prefix)?);
            (address::with_database(server, &prefix), Some(collation.to_owned()))
        }
        Err(error) if has_sqlstate(&error, "42501") => {
            notes.push(format!(
                "the role may not create databases, so schemas go into {} with its collation",
                address::database(server)
            ));
            (server.clone(), None)
        }
        Err(error) => return Err(problem(error)),
    };

    let mut connection = session::connect(&url).await.map_err(problem)?;
    let mut description =
        Description::read(&mut connection, Way::Url, address::origin(server)).await.map_err(problem)?;
    description.notes = notes;
    Ok(Found { url, description, collation, prefix })
}

/// Schedules the drop of the run's database for the end of the run, which requires psql. Returns a note if it is missing.
fn watch(server: &Url, run: &Process, home: &std::path::Path, name: &str) -> Result<Option<String>, String> {
    let Some(psql) = watchdog::find_program("psql") else {
        return Ok(Some(format!("no psql on PATH, so the database {name} is kept until the next run")));
    };
    let leftover = Leftover::Database { psql, environment: environment(server), name: name.to_owned() };
    watchdog::watch(run, home, &leftover).map_err(|error| error.to_string())?;
    Ok(None)
}

/// The URL as libpq's environment variables, which other users cannot read.
fn environment(server: &Url) -> Vec<(String, String)> {
    let decoded = |text: &str| -> String {
        // Path and user are percent-encoded like a query value, except that "+" is literal.
        url::form_urlencoded::parse(format!("v={}", text.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let (host, port) = address::host_and_port(server);
    let mut variables = vec![
        ("PGHOST".to_owned(), decoded(&host)),
        ("PGPORT".to_owned(), port.to_string()),
        ("PGDATABASE".to_owned(), decoded(&address::database(server))),
        ("PGCONNECT_TIMEOUT".to_owned(), "10".to_owned()),
    ];
    if !server.username().is_empty() {
        variables.push(("PGUSER".to_owned(), decoded(server.username())));
    }
    if let Some(password) = server.password() {
        variables.push(("PGPASSWORD".to_owned(), decoded(password)));
    }
    for (key, value) in server.query_pairs() {
        let name = match &*key {
            "user" => "PGUSER",
            "password" => "PGPASSWORD",
            "sslmode" | "ssl-mode" => "PGSSLMODE",
            "sslrootcert" | "ssl-root-cert" | "ssl-ca" => "PGSSLROOTCERT",
            "sslcert" | "ssl-cert" => "PGSSLCERT",
            "sslkey" | "ssl-key" => "PGSSLKEY",
            _ => continue,
        };
        variables.push((name.to_owned(), value.into_owned()));
    }
    variables
}

/// Records the creation time as a comment on the object, for machines that cannot check whether the run is alive.
async fn set_timestamp_comment(
    connection: &mut PgConnection,
    kind: &str,
    name: &str,
) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(timestamp_comment(kind, name))).execute(connection).await.map(drop)
}

/// The statement of [`set_timestamp_comment`].
pub(crate) fn timestamp_comment(kind: &str, name: &str) -> String {
    format!(
        "DO $$ BEGIN EXECUTE format('COMMENT ON {kind} \"{name}\" IS %L', 'prism-testkit ' || now()); END $$"
    )
}

/// Drops databases and schemas of ended runs. Names without the testkit's prefix are not even queried.
async fn reap(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let age = |comment: &str| {
        format!(
            "coalesce({comment} LIKE 'prism-testkit %' AND substr({comment}, 15)::timestamptz < now() - interval '{REMOTE_AGE}', false)"
        )
    };
    let databases = format!(
        "SELECT datname::text, {} AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid) \
         FROM pg_database d WHERE starts_with(datname::text, '{}')",
        age("shobj_description(d.oid, 'pg_database')"),
        names::PREFIX
    );
    let schemas = format!(
        "SELECT nspname::text, {} FROM pg_namespace n WHERE starts_with(nspname::text, '{}')",
        age("obj_description(n.oid, 'pg_namespace')"),
        names::PREFIX
    );
    for (sql, drop_it) in [
        (databases, ("DROP DATABASE IF EXISTS", "WITH (FORCE)")),
        (schemas, ("SET lock_timeout = '5s'; DROP SCHEMA IF EXISTS", "CASCADE")),
    ] {
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *connection).await? {
            let (name, old): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
            let dead = match names::creator(&name) {
                Creator::Local(run) => !run.alive(),
                Creator::Remote => old,
                Creator::Foreign => false,
            };
            if !dead {
                continue;
            }
            let sql = format!("{} \"{name}\" {}", drop_it.0, drop_it.1);
            if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await {
                crate::report(&format!("cannot drop {name}, left by an earlier run: {error}"));
            }
        }
    }
    Ok(())
}

fn has_sqlstate(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|found| found == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libpq_variables_hold_the_decoded_parts_of_the_url() {
        let server = "postgres://us%40er:p%2Bw+x@h:1/d%20b?sslmode=require".parse().unwrap();
        let mut variables = environment(&server);
        variables.sort();
        let expected = [
            ("PGCONNECT_TIMEOUT", "10"),
            ("PGDATABASE", "d b"),
            ("PGHOST", "h"),
            ("PGPASSWORD", "p+w+x"),
            ("PGPORT", "1"),
            ("PGSSLMODE", "require"),
            ("PGUSER", "us@er"),
        ];
        assert_eq!(variables, expected.map(|(key, value)| (key.to_owned(), value.to_owned())));
    }
}
