//! Operations as lines of text.

use std::fmt::{self, Display, Formatter};

use bytes::Bytes;
use prism_contract::keyvalue::request::{KeyPredicate, SelectionInput};

use super::{At, Delete, Get, Op, Page, Put, Scan, Space, Span};
use crate::core::Restart;
use crate::core::line::quote;
use crate::keyvalue::clauses;

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
        write!(f, "put {} {}", self.space, quote(self.id.as_bytes()))?;
        for item in &self.items {
            write!(f, " {}={}", quote(&item.key), quote(&item.value))?;
            clauses::metadata(f, quote, &item.content_type, item.compression)?;
        }
        clauses::token(f, self.token)?;
        if let Some(ttl) = self.ttl {
            write!(f, " ttl {ttl}")?;
        }
        when(f, &self.when)
    }
}

impl Display for Get {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "get {} {}", self.space, quote(self.id.as_bytes()))?;
        predicate(f, self.predicate.as_ref())?;
        selection(f, self.selection)?;
        page(f, self.page)
    }
}

impl Display for Delete {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "delete {} {}", self.space, quote(self.id.as_bytes()))?;
        predicate(f, self.predicate.as_ref())?;
        clauses::token(f, self.token)?;
        when(f, &self.when)
    }
}

impl Display for Scan {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "scan {}", self.space)?;
        if let Some(id) = &self.id {
            write!(f, " {}", quote(id.as_bytes()))?;
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

fn when(f: &mut Formatter<'_>, when: &[(Bytes, At)]) -> fmt::Result {
    for (key, at) in when {
        write!(f, " if {} ", quote(key))?;
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
    clauses::predicate(f, quote, predicate, ["unset", ""])
}

fn selection(f: &mut Formatter<'_>, selection: SelectionInput) -> fmt::Result {
    clauses::selection(f, selection, |bytes| format!(" bytes {bytes}"))
}

fn page(f: &mut Formatter<'_>, page: Page) -> fmt::Result {
    match page {
        Page::First => Ok(()),
        Page::Next => f.write_str(" next"),
        Page::Foreign => f.write_str(" foreign"),
        Page::Broken => f.write_str(" broken"),
    }
}
