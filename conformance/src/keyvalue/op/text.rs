//! Operations as lines of text.

use std::fmt::{self, Display, Formatter};

use bytes::Bytes;
use prism_contract::keyvalue::request::{KeyPredicate, SelectionInput};

use super::{At, Delete, Get, Op, Page, Put, Scan, Space, Span};
use crate::core::Restart;

/// Bytes in quotes, escaped without loss.
struct Quoted<'a>(&'a [u8]);

impl Display for Quoted<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "\"{}\"", self.0.escape_ascii())
    }
}

impl From<Op> for String {
    fn from(op: Op) -> Self {
        op.to_string()
    }
}

impl Display for Op {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Put(put) => put.fmt(f),
            Self::Get(get) => get.fmt(f),
            Self::Delete(delete) => delete.fmt(f),
            Self::Scan(scan) => scan.fmt(f),
            Self::Describe(space) => write!(f, "describe {space}"),
            Self::Advance(span) => write!(f, "advance {span}"),
            Self::Sweep => f.write_str("sweep"),
            Self::Restart(Restart::Clean) => f.write_str("restart clean"),
            Self::Restart(Restart::Crash) => f.write_str("restart crash"),
        }
    }
}

impl Display for Space {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "$ns{}", self.0)
    }
}

impl Display for Put {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "put {} {}", self.space, Quoted(self.id.as_bytes()))?;
        for item in &self.items {
            write!(f, " {}={}", Quoted(&item.key), Quoted(&item.value))?;
            if !item.content_type.is_empty() {
                write!(f, " type {}", Quoted(item.content_type.as_bytes()))?;
            }
            if item.compression != 0 {
                write!(f, " compression {}", item.compression)?;
            }
        }
        token(f, self.token)?;
        if let Some(ttl) = self.ttl {
            write!(f, " ttl {ttl}")?;
        }
        when(f, &self.when)
    }
}

impl Display for Get {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "get {} {}", self.space, Quoted(self.id.as_bytes()))?;
        predicate(f, self.predicate.as_ref())?;
        selection(f, self.selection)?;
        page(f, self.page)
    }
}

impl Display for Delete {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "delete {} {}", self.space, Quoted(self.id.as_bytes()))?;
        predicate(f, self.predicate.as_ref())?;
        token(f, self.token)?;
        when(f, &self.when)
    }
}

impl Display for Scan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "scan {}", self.space)?;
        if let Some(id) = &self.id {
            write!(f, " {}", Quoted(id.as_bytes()))?;
        }
        predicate(f, self.predicate.as_ref())?;
        selection(f, self.selection)?;
        if self.limit > 0 {
            write!(f, " limit {}", self.limit)?;
        }
        if let Some(cut) = self.cut {
            write!(f, " cut {cut}")?;
        }
        page(f, self.page)
    }
}

impl Display for Span {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ticks(ticks) => write!(f, "{ticks}"),
            Self::Almost(ticks) => write!(f, "almost {ticks}"),
            Self::Microsecond => f.write_str("microsecond"),
            Self::Retention => f.write_str("retention"),
            Self::AlmostRetention => f.write_str("almost retention"),
        }
    }
}

fn token(f: &mut Formatter<'_>, token: i64) -> fmt::Result {
    if token == 0 { Ok(()) } else { write!(f, " token {token}") }
}

fn when(f: &mut Formatter<'_>, when: &[(Bytes, At)]) -> fmt::Result {
    for (key, at) in when {
        write!(f, " if {} ", Quoted(key))?;
        match at {
            At::Current => f.write_str("current")?,
            At::Stale => f.write_str("stale")?,
            At::Absent => f.write_str("absent")?,
            At::Number(number) => write!(f, "{number}")?,
        }
    }
    Ok(())
}

fn predicate(f: &mut Formatter<'_>, predicate: Option<&KeyPredicate>) -> fmt::Result {
    match predicate {
        None => Ok(()),
        Some(KeyPredicate::Unset) => f.write_str(" unset"),
        Some(KeyPredicate::MatchAll) => f.write_str(" all"),
        Some(KeyPredicate::MatchKeys(keys)) => {
            f.write_str(" keys")?;
            for (at, key) in keys.iter().enumerate() {
                write!(f, "{}{}", if at == 0 { " " } else { "," }, Quoted(key))?;
            }
            Ok(())
        }
        Some(KeyPredicate::MatchRange { start, end }) => {
            write!(f, " range {}..{}", Quoted(start), Quoted(end))
        }
        Some(KeyPredicate::MatchPrefix(prefix)) => write!(f, " prefix {}", Quoted(prefix)),
    }
}

fn selection(f: &mut Formatter<'_>, selection: SelectionInput) -> fmt::Result {
    if selection.item_limit > 0 {
        write!(f, " page of {}", selection.item_limit)?;
    }
    if selection.page_size_bytes > 0 {
        write!(f, " bytes {}", selection.page_size_bytes)?;
    }
    if selection.keys_only {
        f.write_str(" keys only")?;
    }
    if selection.reverse {
        f.write_str(" reverse")?;
    }
    Ok(())
}

fn page(f: &mut Formatter<'_>, page: Page) -> fmt::Result {
    match page {
        Page::First => Ok(()),
        Page::Next => f.write_str(" next"),
        Page::Foreign => f.write_str(" foreign"),
        Page::Broken => f.write_str(" broken"),
    }
}
