//! A Postgres without a gateway, with the tables of the backend: INSERT of arrays, or COPY.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, PgConnection, Row as _};
use url::Url;

use super::events::{Batch, FULL, Layout};
use crate::failure::Failure;

const TABLES: &str = include_str!("../../../migrations/postgres/timeseries/0001_events.sql");

const INSERT: &str = "INSERT INTO prism_ts_events (series, time, id, partition, position, content_type, tags, payload) \
     SELECT series, time, id, partition, position, '', '', payload \
     FROM unnest($1::bigint[], $2::bigint[], $3::bytea[], $4::bigint[], $5::bigint[], $6::bytea[]) \
     AS new (series, time, id, partition, position, payload)";

const COPY: &str = "COPY prism_ts_events (series, time, id, partition, position, content_type, tags, payload) \
     FROM STDIN (FORMAT binary)";

const SELECT: &str =
    "SELECT time, id, payload FROM prism_ts_events WHERE series = $1 ORDER BY time DESC, id DESC LIMIT $2";

/// A session.
#[derive(Debug)]
pub(super) struct Session(PgConnection);

/// Creates the tables in this schema of the database; returns the URL of the schema.
pub(super) async fn create(url: &str, schema: &str) -> Result<String, Failure> {
    let mut connection = PgConnection::connect(url).await.map_err(failed)?;
    let tables = format!("CREATE SCHEMA {schema}; SET search_path TO {schema}; {TABLES}");
    connection.execute(sqlx::raw_sql(AssertSqlSafe(tables))).await.map_err(failed)?;
    let mut url = Url::parse(url).map_err(|why| Failure::of("postgres", &why))?;
    url.query_pairs_mut().append_pair("options", &format!("-csearch_path={schema}"));
    Ok(url.into())
}

impl Session {
    pub(super) async fn open(url: &str) -> Result<Self, Failure> {
        PgConnection::connect(url).await.map(Self).map_err(failed)
    }

    /// One INSERT in a transaction.
    pub(super) async fn insert(&mut self, layout: &Layout, batch: Batch) -> Result<(), Failure> {
        let numbers: Vec<u64> = (batch.first..batch.first + batch.count).collect();
        let column = |of: &dyn Fn(u64) -> i64| numbers.iter().map(|number| of(*number)).collect::<Vec<_>>();
        let bytes =
            |of: &dyn Fn(u64) -> Vec<u8>| numbers.iter().map(|number| of(*number)).collect::<Vec<_>>();
        let query = sqlx::query(INSERT)
            .bind(column(&|number| layout.series_of(number).cast_signed()))
            .bind(column(&Layout::time_of))
            .bind(bytes(&|number| Layout::id_of(number).to_vec()))
            .bind(column(&|number| partition(layout, number)))
            .bind(column(&u64::cast_signed))
            .bind(bytes(&|number| layout.payload_of(number).to_vec()));
        query.execute(&mut self.0).await.map(drop).map_err(failed)
    }

    /// One COPY in a transaction.
    pub(super) async fn copy(&mut self, layout: &Layout, batch: Batch) -> Result<(), Failure> {
        let mut copy = self.0.copy_in_raw(COPY).await.map_err(failed)?;
        copy.send(rows(layout, batch)).await.map_err(failed)?;
        copy.finish().await.map(drop).map_err(failed)
    }

    pub(super) async fn last(&mut self, layout: &Layout, series: u64) -> Result<Vec<u64>, Failure> {
        let query = sqlx::query(SELECT).bind(series.cast_signed()).bind(FULL.cast_signed());
        let rows = query.fetch_all(&mut self.0).await.map_err(failed)?;
        let number = |row: &sqlx::postgres::PgRow| layout.check(row.get(0), row.get(1), row.get(2));
        rows.iter().map(number).collect::<Result<_, _>>().map_err(Failure::Failed)
    }
}

fn partition(layout: &Layout, number: u64) -> i64 {
    256 + (layout.series_of(number) % 8).cast_signed()
}

/// Rows in the binary format of COPY.
fn rows(layout: &Layout, batch: Batch) -> Vec<u8> {
    let mut rows = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0".to_vec();
    for number in batch.first..batch.first + batch.count {
        rows.extend(8_i16.to_be_bytes());
        let mut field = |bytes: &[u8]| {
            rows.extend(i32::try_from(bytes.len()).unwrap_or(i32::MAX).to_be_bytes());
            rows.extend(bytes);
        };
        field(&layout.series_of(number).to_be_bytes());
        field(&Layout::time_of(number).to_be_bytes());
        field(&Layout::id_of(number));
        field(&partition(layout, number).to_be_bytes());
        field(&number.to_be_bytes());
        field(b"");
        field(b"");
        field(&layout.payload_of(number));
    }
    rows.extend((-1_i16).to_be_bytes());
    rows
}

#[expect(clippy::needless_pass_by_value, reason = "passed to map_err")]
fn failed(why: sqlx::Error) -> Failure {
    Failure::of("postgres", &why)
}
