//! A schema that is made when it is first asked for: for places that are named where nothing can be waited for.

use tokio::sync::OnceCell;

use crate::{Error, Postgres, Schema};

/// A schema of the run's server, which is started, and the schema made, by the first [`LazySchema::url`].
#[derive(Debug, Default)]
pub struct LazySchema(OnceCell<Schema>);

impl LazySchema {
    /// Not made yet.
    #[must_use]
    pub const fn new() -> Self {
        Self(OnceCell::const_new())
    }

    /// The address of the schema, as [`Schema::url`].
    ///
    /// # Errors
    /// There is no server, or it refuses, as [`Postgres::shared`] and [`Postgres::schema`] say.
    pub async fn url(&self) -> Result<&str, Error> {
        let schema = self.0.get_or_try_init(|| async { Postgres::shared().await?.schema().await }).await?;
        Ok(schema.url())
    }
}
