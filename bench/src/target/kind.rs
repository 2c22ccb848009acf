//! The kinds of target, and the programs they require.

use std::path::PathBuf;

use crate::process::find;

/// A kind of target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Kind {
    /// The same API without storage: the upper bound.
    Echo,
    /// `prism serve` on SQLite.
    PrismSqlite,
    /// `prism serve` on Postgres.
    PrismPostgres,
    /// SQLite without a gateway, in this process.
    SqliteDirect,
    /// The same Postgres without a gateway.
    PostgresDirect,
    /// The same Postgres, measured by pgbench.
    Pgbench,
    /// etcd, one member.
    Etcd,
    /// Redis, with appendfsync always.
    Redis,
}

/// Whether a program is installed.
pub(super) enum Installed {
    Yes,
    /// No; how to install it.
    No(&'static str),
}

const NO_POSTGRES: &str = "apt-get install postgresql, or give --postgres URL";

impl Kind {
    /// All kinds, in table order.
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

    /// Whether it stores data.
    pub fn stores(self) -> bool {
        self != Self::Echo
    }

    /// Whether it needs a Postgres.
    pub fn needs_postgres(self) -> bool {
        match self {
            Self::PrismPostgres | Self::PostgresDirect | Self::Pgbench => true,
            Self::Echo | Self::PrismSqlite | Self::SqliteDirect | Self::Etcd | Self::Redis => false,
        }
    }

    pub(super) fn installed(self, postgres: bool) -> Installed {
        let program = |name: &str, how| {
            if find(name, &postgres_folders()).is_some() { Installed::Yes } else { Installed::No(how) }
        };
        match self {
            Self::Echo | Self::PrismSqlite | Self::SqliteDirect => Installed::Yes,
            _ if self.needs_postgres() && !postgres => Installed::No(NO_POSTGRES),
            Self::Pgbench => program("pgbench", "apt-get install postgresql-contrib"),
            Self::PrismPostgres | Self::PostgresDirect => Installed::Yes,
            Self::Etcd => program("etcd", "apt-get install etcd-server"),
            Self::Redis => program("redis-server", "apt-get install redis-server"),
        }
    }
}

/// Folders of PostgreSQL's programs on Debian, newest version first.
pub(crate) fn postgres_folders() -> Vec<PathBuf> {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let mut folders: Vec<PathBuf> = versions.map(|version| version.path().join("bin")).collect();
    folders.sort();
    folders.reverse();
    folders
}
