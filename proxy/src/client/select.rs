//! The options that select items of a record: keys, a prefix, a range.

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

/// The priority token of a write.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct PriorityTokenArgs {
    /// A priority token: an item is changed only if it has seen no equal or higher token, so repeating the call is safe
    #[arg(
        long,
        // Its former name, which is easily taken for that of the bearer token.
        alias = "token",
        value_name = "N",
        default_value_t = 0,
        hide_default_value = true,
        allow_negative_numbers = true
    )]
    pub(super) priority_token: i64,
}

/// Parses an id or a prefix of ids that selects records. On the wire an empty one selects every record, which is hardly the
/// intent of `--id ''`.
pub(super) fn not_empty(text: &str) -> Result<String, &'static str> {
    if text.is_empty() {
        Err("it is empty; leave the option out for every record")
    } else {
        Ok(text.to_owned())
    }
}

/// The encoding of keys and values on the command line.
#[derive(Debug, Clone, Copy, Args)]
pub(super) struct EscapeArgs {
    /// Decode the escapes \xNN, \\, \n, \r, \t and \0 in keys and values
    #[arg(long)]
    escaped: bool,
}

impl EscapeArgs {
    /// The bytes of a key or value given as `text`.
    pub(super) fn bytes(self, text: &str) -> Result<Bytes, Failure> {
        if !self.escaped {
            return Ok(Bytes::copy_from_slice(text.as_bytes()));
        }
        unescape(text).map(Bytes::from).map_err(|why| Failure::usage(format!("'{text}': {why}")))
    }

    /// The preconditions given with `--if KEY=VERSION`.
    pub(super) fn preconditions(self, conditions: &[String]) -> Result<Vec<PreconditionInput>, Failure> {
        let parse = |condition: &String| {
            let (key, version) = condition
                .rsplit_once('=')
                .and_then(|(key, version)| Some((key, version.parse::<i64>().ok()?)))
                .ok_or_else(|| {
                    Failure::usage(format!(
                        "'--if {condition}' is not KEY=VERSION; the version is a number, 0 for absent"
                    ))
                })?;
            Ok(PreconditionInput { key: self.bytes(key)?, version })
        };
        conditions.iter().map(parse).collect()
    }
}

impl SpanArgs {
    /// The prefix or range; `None`: neither was given.
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

    /// The keys, prefix or range; `None`: none was given.
    pub(super) fn predicate_or_keys(
        &self,
        keys: &[String],
        escape: EscapeArgs,
    ) -> Result<Option<KeyPredicate>, Failure> {
        if keys.is_empty() {
            return self.predicate(escape);
        }
        if self.prefix.is_some() || self.from.is_some() || self.to.is_some() {
            return Err(Failure::usage("give only one of: keys, --prefix, or --from and --to"));
        }
        let keys = keys.iter().map(|key| escape.bytes(key)).collect::<Result<_, _>>()?;
        Ok(Some(KeyPredicate::MatchKeys(keys)))
    }
}
