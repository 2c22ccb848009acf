//! A server that somebody else runs: what the tests need is made on it, and nothing else is touched.

use sqlx::{AssertSqlSafe, PgConnection, Row as _};
use url::Url;

use crate::description::Description;
use crate::names::{self, Maker};
use crate::process::Process;
use crate::server::Found;
use crate::watchdog::{self, Leftover};
use crate::{Way, address, database, session};

/// Leftovers of a machine that cannot be asked from here are let be for a day.
const FOREIGN_AGE: &str = "24 hours";

/// Finds the server, clears it of what dead runs left, and makes this run's database on it. Where the role may not make
/// databases, the tests' schemas go into the database of the address.
pub(crate) async fn start(server: &Url, run: &Process, home: &std::path::Path) -> Result<Found, String> {
    let problem = |error: sqlx::Error| error.to_string();
    let mut connection = session::connect(server).await.map_err(problem)?;
    reap(&mut connection).await.map_err(problem)?;

    let prefix = names::of_run(run);
    let mut notes = Vec::new();
    let (url, collation) = match database::create(&mut connection, &prefix).await {
        Ok(collation) => {
            sign(&mut connection, "DATABASE", &prefix).await.map_err(problem)?;
            notes.extend(watch(server, run, home, &prefix)?);
            (address::with_database(server, &prefix), Some(collation.to_owned()))
        }
        Err(error) if is(&error, "42501") => {
            notes.push(format!(
                "the role may not make databases, so schemas go into {} and its collation is as it is",
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

/// Has the run's database dropped when the run is over, if there is a program that can. A note if there is none.
fn watch(server: &Url, run: &Process, home: &std::path::Path, name: &str) -> Result<Option<String>, String> {
    let Some(psql) = watchdog::find_program("psql") else {
        return Ok(Some(format!(
            "there is no psql on PATH, so the database {name} stays until the next run"
        )));
    };
    let leftover = Leftover::Database { psql, environment: environment(server), name: name.to_owned() };
    watchdog::watch(run, home, &leftover).map_err(|error| error.to_string())?;
    Ok(None)
}

/// The address as libpq takes it from the environment, where no other user can read it.
fn environment(server: &Url) -> Vec<(String, String)> {
    let decoded = |text: &str| -> String {
        // A path and a user are encoded as a value of a query is, but for the plus.
        url::form_urlencoded::parse(format!("v={}", text.replace('+', "%2B")).as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let (host, port) = address::place(server);
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

/// Writes on a thing of ours when it was made, for machines that cannot see whether the run is still there.
pub(crate) async fn sign(connection: &mut PgConnection, kind: &str, name: &str) -> Result<(), sqlx::Error> {
    sqlx::raw_sql(AssertSqlSafe(signature(kind, name))).execute(connection).await.map(drop)
}

/// The statement of [`sign`].
pub(crate) fn signature(kind: &str, name: &str) -> String {
    format!(
        "DO $$ BEGIN EXECUTE format('COMMENT ON {kind} \"{name}\" IS %L', 'prism-testkit ' || now()); END $$"
    )
}

/// Drops databases and schemas that runs left which are gone. What has another name than ours is not even looked at.
async fn reap(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    let age = |comment: &str| {
        format!(
            "coalesce({comment} LIKE 'prism-testkit %' AND substr({comment}, 15)::timestamptz < now() - interval '{FOREIGN_AGE}', false)"
        )
    };
    let databases = format!(
        "SELECT datname::text, {} AND NOT EXISTS (SELECT FROM pg_stat_activity a WHERE a.datid = d.oid) \
         FROM pg_database d WHERE starts_with(datname::text, '{}')",
        age("shobj_description(d.oid, 'pg_database')"),
        names::MARK
    );
    let schemas = format!(
        "SELECT nspname::text, {} FROM pg_namespace n WHERE starts_with(nspname::text, '{}')",
        age("obj_description(n.oid, 'pg_namespace')"),
        names::MARK
    );
    for (sql, drop_it) in [
        (databases, ("DROP DATABASE IF EXISTS", "WITH (FORCE)")),
        (schemas, ("SET lock_timeout = '5s'; DROP SCHEMA IF EXISTS", "CASCADE")),
    ] {
        for row in sqlx::query(AssertSqlSafe(sql)).fetch_all(&mut *connection).await? {
            let (name, old): (String, bool) = (row.try_get(0)?, row.try_get(1)?);
            let dead = match names::maker(&name) {
                Maker::Here(run) => !run.alive(),
                Maker::Elsewhere => old,
                Maker::Somebody => false,
            };
            if !dead {
                continue;
            }
            let sql = format!("{} \"{name}\" {}", drop_it.0, drop_it.1);
            if let Err(error) = sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut *connection).await {
                crate::say(&format!("cannot drop {name}, which an earlier run left: {error}"));
            }
        }
    }
    Ok(())
}

fn is(error: &sqlx::Error, code: &str) -> bool {
    error.as_database_error().and_then(sqlx::error::DatabaseError::code).is_some_and(|found| found == code)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libpq_gets_what_the_address_says_decoded() {
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
