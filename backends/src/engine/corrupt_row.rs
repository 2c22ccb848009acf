//! What is said of a stored value that Prism does not write.

/// A stored value that no Prism wrote.
#[derive(Debug, thiserror::Error)]
#[error("the database holds a value that Prism does not write: {0}")]
pub(crate) struct CorruptRow(String);

impl CorruptRow {
    /// A value that is wrong, and why.
    #[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err, which gives the value")]
    pub(crate) fn because(why: impl ToString) -> sqlx::Error {
        sqlx::Error::Decode(Box::new(Self(why.to_string())))
    }
}
