//! What can be measured, and what must be installed for it.

use std::path::PathBuf;

use crate::process::find;

/// What can be measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Kind {
    /// A server of the same messages that stores nothing: the ceiling.
    Echo,
    /// `prism serve` on SQLite.
    PrismSqlite,
    /// `prism serve` on Postgres.
    PrismPostgres,
    /// SQLite itself, in this process.
    SqliteDirect,
    /// The same Postgres without a gateway.
    PostgresDirect,
    /// The same Postgres, measured by its own pgbench.
    Pgbench,
    /// etcd, one member.
    Etcd,
    /// Redis, with appendfsync always.
    Redis,
}

/// Whether a program is there.
pub(super) enum Installed {
    Yes,
    /// It is not; what would bring it.
    Not(&'static str),
}

const NO_POSTGRES: &str = "apt-get install postgresql, or give --postgres URL";

impl Kind {
    /// All of them, in the order of tables.
    pub const ALL: [Self; 8] = [
        Self::Echo,
        Self::PrismSqlite,
        Self::SqliteDirect,
        Self::PrismPostgres,
        Self::PostgresDirect,
        Self::Pgbench,
        Self::Etcd,
        Self::Redis,
    ];

    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Echo => "echo",
            Self::PrismSqlite => "prism-sqlite",
            Self::PrismPostgres => "prism-postgres",
            Self::SqliteDirect => "sqlite-direct",
            Self::PostgresDirect => "postgres-direct",
            Self::Pgbench => "pgbench",
            Self::Etcd => "etcd",
            Self::Redis => "redis",
        }
    }

    /// Whether it keeps what is put into it.
    pub fn stores(self) -> bool {
        self != Self::Echo
    }

    /// Whether it is measured on a Postgres.
    pub fn needs_postgres(self) -> bool {
        match self {
            Self::PrismPostgres | Self::PostgresDirect | Self::Pgbench => true,
            Self::Echo | Self::PrismSqlite | Self::SqliteDirect | Self::Etcd | Self::Redis => false,
        }
    }

    pub(super) fn installed(self, postgres: bool) -> Installed {
        let program = |name: &str, how| {
            if find(name, &postgres_folders()).is_some() { Installed::Yes } else { Installed::Not(how) }
        };
        match self {
            Self::Echo | Self::PrismSqlite | Self::SqliteDirect => Installed::Yes,
            _ if self.needs_postgres() && !postgres => Installed::Not(NO_POSTGRES),
            Self::Pgbench => program("pgbench", "apt-get install postgresql-contrib"),
            Self::PrismPostgres | Self::PostgresDirect => Installed::Yes,
            Self::Etcd => program("etcd", "apt-get install etcd-server"),
            Self::Redis => program("redis-server", "apt-get install redis-server"),
        }
    }
}

/// Where Debian keeps PostgreSQL's programs, the newest first.
pub(crate) fn postgres_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders
}
