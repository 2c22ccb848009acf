//! A schema created on first use: for test stores declared in a static or other non-async context.

use tokio::sync::OnceCell;

use crate::{Error, Postgres, Schema};

/// A schema on the run's server; the first [`LazySchema::url`] starts the server and creates the schema.
#[derive(Debug, Default)]
pub struct LazySchema(OnceCell<Schema>);

impl LazySchema {
    /// An uninitialized schema.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceCell::const_new())
    }

    /// The URL of the schema, as [`Schema::url`].
    ///
    /// # Errors
    /// As [`Postgres::shared`] and [`Postgres::schema`].
    pub async fn url(&self) -> Result<&str, Error> {
        let schema = self.0.get_or_try_init(|| async { Postgres::shared().await?.schema().await }).await?;
        Ok(schema.url())
    }
}
