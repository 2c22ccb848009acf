//! A client of Redis, on a connection that several share.

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, IntoConnectionInfo as _, RedisError};

use super::{CallFailure, path_of};
use crate::failure::Failure;

/// How long an answer may take; the library's own half a second is short for a disk under load.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(30);

/// A client of Redis.
#[derive(Clone)]
pub struct Redis(MultiplexedConnection);

impl std::fmt::Debug for Redis {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Redis")
    }
}

impl Redis {
    /// Connects to `redis://host:port`.
    ///
    /// # Errors
    /// Nobody answers there.
    pub async fn connect(url: &str) -> Result<Self, Failure> {
        let failed = |why: RedisError| Failure::of("redis", &why);
        // As the others have it: small requests leave at once.
        let info = url.into_connection_info().map_err(failed)?;
        let info = info.set_tcp_settings(TcpSettings::default().set_nodelay(true));
        let client = redis::Client::open(info).map_err(failed)?;
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        client.get_multiplexed_async_connection_with_config(&config).await.map(Self).map_err(failed)
    }

    pub(super) async fn put(&mut self, record: u64, value: &[u8]) -> Result<(), CallFailure> {
        let mut command = redis::cmd("SET");
        command.arg(path_of(record)).arg(value);
        command.query_async(&mut self.0).await.map_err(|why| failed(&why))
    }

    pub(super) async fn get(&mut self, record: u64) -> Result<Option<Bytes>, CallFailure> {
        let mut command = redis::cmd("GET");
        command.arg(path_of(record));
        let value: Result<Option<Vec<u8>>, _> = command.query_async(&mut self.0).await;
        value.map(|value| value.map(Bytes::from)).map_err(|why| failed(&why))
    }
}

fn failed(why: &RedisError) -> CallFailure {
    CallFailure::Error(why.to_string())
}
