//! Checks of a database on a connection that only reads: it neither creates nor migrates tables, and works on a standby too.

use std::time::Duration;

use prism_contract::Timestamp;
use sqlx::postgres::{PgConnectOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, Executor, PgConnection, Row};
use tokio::time::timeout;

use super::OpenError;
use super::connector::millis;
use super::error::no_response;
use super::open::{location, parse};
use super::schema::{Schema, TABLE_EXISTS};
use super::session::Query;
use crate::check::{Checks, LARGEST, NamespaceSize, Part, Report, named};
use crate::postgres::Options;

/// Grace period past the timeout of a statement, after which the server does not respond.
const GRACE: Duration = Duration::from_secs(5);

/// The checks of an abstraction, and its schema, which a database may lack.
pub(in crate::postgres) struct OfSchema(
    pub(in crate::postgres) &'static Schema,
    pub(in crate::postgres) &'static Checks,
);

/// A connection that only reads.
pub(in crate::postgres) struct Inspection {
    connection: PgConnection,
    at: String,
    time_limit: Duration,
}

impl Inspection {
    /// Connects. Each statement may take `time_limit`.
    pub(in crate::postgres) async fn open(
        options: &Options,
        time_limit: Duration,
    ) -> Result<Self, OpenError> {
        let mut connect = parse(&options.url)?;
        if let Some(password) = &options.password {
            connect = connect.password(password);
        }
        let at = location(&connect);
        let opening = begin(connect, time_limit);
        let opened = timeout(options.connect_timeout, opening).await.unwrap_or_else(|_| Err(no_response()));
        match opened {
            Ok(connection) => Ok(Self { connection, at, time_limit }),
            Err(source) => Err(OpenError::Unreachable { at, source: source.into() }),
        }
    }

    /// Checks everything. Damage is no error; an error says that the check could not be made.
    pub(in crate::postgres) async fn check(
        &mut self,
        parts: &[OfSchema],
        now: Timestamp,
        retention: Duration,
    ) -> Result<Report, OpenError> {
        let row = self.row(sqlx::query("SELECT current_setting('server_version')")).await;
        let engine = row.and_then(|row| row.try_get::<String, _>(0));
        let engine = engine.map_err(|error| self.failed(error))?;
        // Without the packager's words after the number.
        let engine = engine.split(' ').next().unwrap_or_default();
        let mut report = Report::new(format!("PostgreSQL {engine}"), 0);
        let forgotten = now.saturating_sub(retention);
        for OfSchema(schema, checks) in parts {
            match self.version(schema).await.map_err(|error| self.failed(error))? {
                0 => continue,
                found if found > schema.version() => {
                    return Err(OpenError::Newer { at: self.at.clone(), found });
                }
                version => report.schema_version = report.schema_version.max(version),
            }
            let part = self.part(checks, (now, forgotten), &mut report).await;
            let part = part.map_err(|error| self.failed(error))?;
            report.parts.push(part);
        }
        if report.parts.is_empty() {
            return Err(OpenError::NoTables { at: self.at.clone() });
        }
        Ok(report)
    }

    /// The single answer, yes or no, of a statement with these parameters.
    pub(in crate::postgres) async fn is_true(
        &mut self,
        statement: &'static str,
        parameters: [i64; 2],
    ) -> Result<bool, OpenError> {
        let query = sqlx::query(statement).bind(parameters[0]).bind(parameters[1]);
        let answer = self.row(query).await.and_then(|row| row.try_get(0));
        answer.map_err(|error| self.failed(error))
    }

    /// Closes the connection, which has changed nothing.
    pub(in crate::postgres) async fn close(self) {
        let _ = timeout(GRACE, self.connection.close()).await;
    }

    fn failed(&self, source: sqlx::Error) -> OpenError {
        OpenError::Unchecked { at: self.at.clone(), source: source.into() }
    }

    /// The version of a schema; 0: there is none.
    async fn version(&mut self, schema: &Schema) -> Result<i64, sqlx::Error> {
        if !self.row(sqlx::query(TABLE_EXISTS).bind(schema.table)).await?.try_get::<bool, _>(0)? {
            return Ok(0);
        }
        let version = format!("SELECT version FROM {}", schema.table);
        self.row(sqlx::query(AssertSqlSafe(version))).await?.try_get(0)
    }

    /// Counts, and looks for faults, with a snapshot for each statement.
    async fn part(
        &mut self,
        checks: &'static Checks,
        (now, forgotten): (Timestamp, Timestamp),
        report: &mut Report,
    ) -> Result<Part, sqlx::Error> {
        for fault in checks.faults {
            let rows = self.row(sqlx::query(fault.sql)).await?.try_get(0)?;
            report.damage.extend(fault.found(rows));
        }
        let mut counts = Vec::new();
        for wanted in checks.counts {
            let mut query = sqlx::query(wanted.sql);
            if wanted.by_time {
                query = query.bind(now.as_micros()).bind(forgotten.as_micros());
            }
            let row = self.row(query).await?;
            let numbers = (0..wanted.names.len()).map(|column| row.try_get(column));
            counts.extend(named(wanted.names, numbers.collect::<Result<Vec<i64>, _>>()?));
        }
        let mut namespaces = Vec::new();
        for row in self.rows(sqlx::query(checks.namespaces).bind(LARGEST)).await? {
            let name = String::from_utf8_lossy(row.try_get(0)?).into_owned();
            let [rows, bytes] = [row.try_get::<i64, _>(1)?, row.try_get(2)?].map(i64::cast_unsigned);
            namespaces.push(NamespaceSize { name, rows, bytes });
        }
        Ok(Part { name: checks.name, counts, namespaces })
    }

    async fn rows(&mut self, query: Query) -> Result<Vec<PgRow>, sqlx::Error> {
        let limit = self.time_limit.saturating_add(GRACE);
        timeout(limit, query.fetch_all(&mut self.connection)).await.unwrap_or_else(|_| Err(no_response()))
    }

    async fn row(&mut self, query: Query) -> Result<PgRow, sqlx::Error> {
        self.rows(query).await?.pop().ok_or(sqlx::Error::RowNotFound)
    }
}

/// A connection whose statements have a timeout, and cannot write.
async fn begin(connect: PgConnectOptions, time_limit: Duration) -> Result<PgConnection, sqlx::Error> {
    let connect = connect.disable_statement_logging().extra_float_digits(None);
    let mut connection: PgConnection = connect.connect().await?;
    let limit = millis(time_limit);
    let settings = format!("SET statement_timeout = {limit}; SET default_transaction_read_only = on");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(settings))).await?;
    Ok(connection)
}
