//! One client per kind of target, with minimal overhead, since it shares the machine with the server under test.

mod etcd;
mod grpc;
mod redis;
mod sql;

use bytes::Bytes;

pub use self::etcd::Etcd;
pub use self::grpc::{Grpc, Written};
pub use self::redis::Redis;
pub use self::sql::{Postgres, Sqlite, TABLE};

/// The namespace of all benchmark data.
pub const NAMESPACE: &str = "bench";
/// The key of each record's first item.
pub const KEY: &[u8] = b"k";

/// Failure of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CallFailure {
    /// The server shed it: RESOURCE_EXHAUSTED.
    Shed,
    /// It failed.
    Error(String),
    /// The answer is wrong.
    Wrong(String),
}

/// A value that was read.
#[derive(Debug)]
pub struct Found {
    /// The value.
    pub value: Bytes,
    /// Its version, if the target has versions.
    pub version: Option<i64>,
}

/// A client of one target, for one call at a time.
#[derive(Debug)]
pub enum Client {
    /// Prism, or the echo.
    Grpc(Grpc),
    /// Postgres itself.
    Postgres(Postgres),
    /// SQLite itself.
    Sqlite(Sqlite),
    /// etcd.
    Etcd(Etcd),
    /// Redis.
    Redis(Redis),
}

impl Client {
    /// Writes the value of a record; returns the new version, if the target has versions.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn put(&mut self, record: u64, value: Bytes) -> Result<Option<i64>, CallFailure> {
        match self {
            Self::Grpc(client) => client.put(record, value).await,
            Self::Postgres(client) => client.put(record, &value).await.map(|()| None),
            Self::Sqlite(client) => client.put(record, &value).await.map(|()| None),
            Self::Etcd(client) => client.put(record, value).await.map(Some),
            Self::Redis(client) => client.put(record, &value).await.map(|()| None),
        }
    }

    /// Reads the value of a record; `None` if there is none.
    ///
    /// # Errors
    /// See [`CallFailure`].
    pub async fn get(&mut self, record: u64) -> Result<Option<Found>, CallFailure> {
        let unversioned = |value: Option<Bytes>| value.map(|value| Found { value, version: None });
        match self {
            Self::Grpc(client) => client.read(record, 0).await,
            Self::Postgres(client) => client.get(record).await.map(unversioned),
            Self::Sqlite(client) => client.get(record).await.map(unversioned),
            Self::Etcd(client) => client.get(record).await,
            Self::Redis(client) => client.get(record).await.map(unversioned),
        }
    }
}

/// The id of a record.
pub fn id_of(record: u64) -> String {
    format!("r{record}")
}

/// The key of a record's item; keys sort in item order.
pub fn key_of(item: u32) -> Bytes {
    match item {
        0 => Bytes::from_static(KEY),
        _ => Bytes::from(format!("k{item:07}")),
    }
}

/// Parses an item's key.
pub fn item_of(key: &[u8]) -> Option<u32> {
    match key.strip_prefix(KEY)? {
        [] => Some(0),
        digits => std::str::from_utf8(digits).ok()?.parse().ok(),
    }
}

/// Parses a record's id.
pub fn record_of(id: &str) -> Option<u64> {
    id.strip_prefix('r')?.parse().ok()
}

/// The full key of a record, for targets without namespaces.
fn path_of(record: u64) -> String {
    format!("{NAMESPACE}/r{record}/k")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_round_trip_and_sort_in_item_order() {
        let items = [0, 1, 9, 10, 999_999];
        assert!(items.windows(2).all(|pair| key_of(pair[0]) < key_of(pair[1])));
        assert!(items.iter().all(|&item| item_of(&key_of(item)) == Some(item)));
        assert_eq!((item_of(b"x"), record_of("r12"), record_of("12")), (None, Some(12), None));
    }
}
