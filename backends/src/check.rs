//! What a check of a database found: sizes, counts and damage. The statements are each abstraction's; an engine runs them.

/// Namespaces that a report lists by size.
pub const LARGEST: i64 = 10;

/// The result of a check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The database engine and its version, such as `SQLite 3.51.3`.
    pub engine: String,
    /// The schema's version.
    pub schema_version: i64,
    /// Sizes of the database itself.
    pub sizes: Vec<Count>,
    /// Each abstraction that has tables.
    pub parts: Vec<Part>,
    /// Everything that Prism, or an intact database, would not have written; empty: the database is sound.
    pub damage: Vec<Damage>,
}

impl Report {
    /// A report without findings.
    #[cfg(any(feature = "sqlite", feature = "postgres"))]
    pub(crate) fn new(engine: String, schema_version: i64) -> Self {
        let (sizes, parts, damage) = Default::default();
        Self { engine, schema_version, sizes, parts, damage }
    }

    /// The number with a name, of an abstraction; `None`: it was not counted.
    pub fn count(&self, part: &str, name: &str) -> Option<u64> {
        let part = self.parts.iter().find(|found| found.name == part)?;
        part.counts.iter().find(|count| count.name == name).map(|count| count.number)
    }
}

/// A number and what it counts. A name that ends with `bytes` is a size in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Count {
    /// Its name, in snake case.
    pub name: &'static str,
    /// The number.
    pub number: u64,
}

/// The rows of an abstraction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Part {
    /// The abstraction's name, in lower case.
    pub name: &'static str,
    /// Counts of its rows.
    pub counts: Vec<Count>,
    /// The largest namespaces by bytes, at most [`LARGEST`].
    pub namespaces: Vec<NamespaceSize>,
}

/// The size of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamespaceSize {
    /// Its name. A damaged database may have any bytes here, which are then shown lossily.
    pub name: String,
    /// Live or stored rows.
    pub rows: u64,
    /// Their bytes.
    pub bytes: u64,
}

/// One kind of damage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Damage {
    /// Its name, in snake case.
    pub name: &'static str,
    /// What was found, in words.
    pub what: String,
    /// The number of rows; `None`: the finding has no number.
    pub rows: Option<u64>,
}

/// The statements that check an abstraction's tables in one kind of database.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) struct Checks {
    /// The abstraction's name, in lower case.
    pub(crate) name: &'static str,
    pub(crate) counts: &'static [Counts],
    /// The largest namespaces: name, rows and bytes. The parameter is their number.
    pub(crate) namespaces: &'static str,
    pub(crate) faults: &'static [Fault],
}

/// A statement with one row of numbers, each with a name.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) struct Counts {
    pub(crate) names: &'static [&'static str],
    pub(crate) sql: &'static str,
    /// Whether the parameters are now, and the latest deletion time of a tombstone past its retention, in microseconds;
    /// otherwise there are none.
    pub(crate) by_time: bool,
}

/// A statement that counts rows that should not exist.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) struct Fault {
    pub(crate) name: &'static str,
    pub(crate) what: &'static str,
    pub(crate) sql: &'static str,
}

#[cfg(any(feature = "sqlite", feature = "postgres"))]
impl Fault {
    /// The damage of this many rows.
    pub(crate) fn found(&self, rows: i64) -> Option<Damage> {
        let rows = u64::try_from(rows).unwrap_or_default();
        (rows > 0).then(|| Damage { name: self.name, what: self.what.to_owned(), rows: Some(rows) })
    }
}

/// Counts of a row of numbers.
#[cfg(any(feature = "sqlite", feature = "postgres"))]
pub(crate) fn named(names: &[&'static str], numbers: impl IntoIterator<Item = i64>) -> Vec<Count> {
    let count = |(name, number): (&&'static str, i64)| {
        let number = u64::try_from(number).unwrap_or_default();
        Count { name, number }
    };
    names.iter().zip(numbers).map(count).collect()
}
