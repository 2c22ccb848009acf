//! A Redis client on a shared, multiplexed connection.

use bytes::Bytes;
use redis::aio::MultiplexedConnection;
use redis::io::tcp::TcpSettings;
use redis::{AsyncConnectionConfig, RedisError};

use super::{CallFailure, path_of};
use crate::failure::Failure;

/// A Redis client.
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
    /// The server is unreachable.
    pub async fn connect(url: &str) -> Result<Self, Failure> {
        let failed = |why: RedisError| Failure::of("redis", &why);
        let client = redis::Client::open(url).map_err(failed)?;
        // TCP_NODELAY, as for the other clients: small requests are sent immediately.
        let tcp = TcpSettings::default().set_nodelay(true);
        let config = AsyncConnectionConfig::new().set_tcp_settings(tcp);
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
