//! The options that say which items of a record: keys, a prefix, a range.

use bytes::Bytes;
use clap::Args;
use prism_contract::keyvalue::request::{KeyPredicate, PreconditionInput};

use super::bytes::unescape;
use super::failure::Failure;

/// A prefix or a range of keys.
#[derive(Debug, Clone, Args)]
pub(super) struct SpanArgs {
    /// Only keys that start with this
    #[arg(long, value_name = "KEY", conflicts_with_all = ["from", "to"])]
    prefix: Option<String>,

    /// Only keys from this one on (itself included)
    #[arg(long, value_name = "KEY")]
    from: Option<String>,

    /// Only keys before this one (itself excluded)
    #[arg(long, value_name = "KEY")]
    to: Option<String>,
}

/// How keys and values on the command line are read.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct EscapeArgs {
    /// Take \xNN, \\, \n, \r, \t and \0 in keys and values for the bytes they stand for
    #[arg(long)]
    escaped: bool,
}

impl EscapeArgs {
    /// The bytes that `text` stands for.
    pub(super) fn bytes(self, text: &str) -> Result<Bytes, Failure> {
        if !self.escaped {
            return Ok(Bytes::copy_from_slice(text.as_bytes()));
        }
        unescape(text).map(Bytes::from).map_err(|why| Failure::Usage(format!("'{text}': {why}")))
    }

    /// `--if KEY=VERSION`, each as a precondition.
    pub(super) fn preconditions(self, said: &[String]) -> Result<Vec<PreconditionInput>, Failure> {
        let one = |said: &String| {
            let (key, version) = said
                .rsplit_once('=')
                .and_then(|(key, version)| Some((key, version.parse::<i64>().ok()?)))
                .ok_or_else(|| {
                    Failure::Usage(format!(
                        "'--if {said}' is not KEY=VERSION; the version is a number, 0 for absent"
                    ))
                })?;
            Ok(PreconditionInput { key: self.bytes(key)?, version })
        };
        said.iter().map(one).collect()
    }
}

impl SpanArgs {
    /// What was chosen; `None`: nothing was said.
    pub(super) fn predicate(&self, escape: EscapeArgs) -> Result<Option<KeyPredicate>, Failure> {
        let bytes = |text: &Option<String>| text.as_deref().map(|text| escape.bytes(text)).transpose();
        if let Some(prefix) = bytes(&self.prefix)? {
            return Ok(Some(KeyPredicate::MatchPrefix(prefix)));
        }
        let (start, end) = (bytes(&self.from)?, bytes(&self.to)?);
        if start.is_none() && end.is_none() {
            return Ok(None);
        }
        Ok(Some(KeyPredicate::MatchRange { start: start.unwrap_or_default(), end: end.unwrap_or_default() }))
    }

    /// What was chosen by keys or by a span; `None`: nothing was said.
    pub(super) fn predicate_or_keys(
        &self,
        keys: &[String],
        escape: EscapeArgs,
    ) -> Result<Option<KeyPredicate>, Failure> {
        if keys.is_empty() {
            return self.predicate(escape);
        }
        if self.prefix.is_some() || self.from.is_some() || self.to.is_some() {
            return Err(Failure::Usage(
                "give keys, or --prefix, or --from and --to, but not two of them".to_owned(),
            ));
        }
        let keys = keys.iter().map(|key| escape.bytes(key)).collect::<Result<_, _>>()?;
        Ok(Some(KeyPredicate::MatchKeys(keys)))
    }
}
