//! The clauses that the text of operations and of transcripts share. `quote` renders bytes: in full where the text is parsed
//! again, shortened where people read it.

use std::fmt::{Result, Write};

use prism_contract::keyvalue::request::{KeyPredicate, SelectionInput};

/// Renders bytes between quotes.
type Quote = fn(&[u8]) -> String;

pub(super) fn metadata(out: &mut impl Write, quote: Quote, content_type: &str, compression: i32) -> Result {
    if !content_type.is_empty() {
        write!(out, " type {}", quote(content_type.as_bytes()))?;
    }
    self::compression(out, compression)
}

pub(super) fn compression(out: &mut impl Write, compression: i32) -> Result {
    if compression == 0 { Ok(()) } else { write!(out, " compression {compression}") }
}

pub(super) fn token(out: &mut impl Write, token: i64) -> Result {
    if token == 0 { Ok(()) } else { write!(out, " token {token}") }
}

/// `empty` are the words for a predicate without a choice and for an empty list of keys.
pub(super) fn predicate(
    out: &mut impl Write,
    quote: Quote,
    predicate: Option<&KeyPredicate>,
    [unset, no_keys]: [&str; 2],
) -> Result {
    match predicate {
        None => Ok(()),
        Some(KeyPredicate::Unset) => write!(out, " {unset}"),
        Some(KeyPredicate::MatchAll) => out.write_str(" all"),
        Some(KeyPredicate::MatchKeys(keys)) if keys.is_empty() => write!(out, " keys{no_keys}"),
        Some(KeyPredicate::MatchKeys(keys)) => {
            let keys: Vec<_> = keys.iter().map(|key| quote(key)).collect();
            write!(out, " keys {}", keys.join(","))
        }
        Some(KeyPredicate::MatchRange { start, end }) => {
            write!(out, " range {}..{}", quote(start), quote(end))
        }
        Some(KeyPredicate::MatchPrefix(prefix)) => write!(out, " prefix {}", quote(prefix)),
    }
}

/// `bytes` renders the limit in bytes.
pub(super) fn selection(out: &mut impl Write, selection: SelectionInput, bytes: fn(u32) -> String) -> Result {
    if selection.item_limit > 0 {
        write!(out, " page of {}", selection.item_limit)?;
    }
    if selection.page_size_bytes > 0 {
        out.write_str(&bytes(selection.page_size_bytes))?;
    }
    if selection.keys_only {
        out.write_str(" keys only")?;
    }
    if selection.reverse {
        out.write_str(" reverse")?;
    }
    Ok(())
}
