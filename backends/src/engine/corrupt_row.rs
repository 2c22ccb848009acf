//! The error for a stored value that Prism cannot have written.

/// A stored value that Prism cannot have written.
#[derive(Debug, thiserror::Error)]
#[error("corrupt row: the database has a value that Prism does not write: {0}")]
pub(crate) struct CorruptRow(String);

impl CorruptRow {
    /// An invalid value, and why it is invalid.
    #[expect(clippy::needless_pass_by_value, reason = "it is passed to map_err, which passes by value")]
    pub(crate) fn because(why: impl ToString) -> sqlx::Error {
        sqlx::Error::Decode(Box::new(Self(why.to_string())))
    }
}
