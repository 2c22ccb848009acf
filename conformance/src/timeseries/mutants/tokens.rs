//! Token flaws: a flawed gateway remembers what its tokens were bound to, and binds them to fewer properties than the
//! contract, or to more.

use bytes::Bytes;
use prism_contract::timeseries::request::{QueryRequest, TagsInput, TailRequest, TimeInput};

use super::reads::GARBAGE;
use super::{Bug, Flaw};

/// What a token is bound to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Binding {
    is_tail: bool,
    namespace: String,
    series: String,
    range: (Option<TimeInput>, Option<TimeInput>),
    tags: TagsInput,
    reverse: bool,
}

impl Binding {
    pub(super) fn of_query(query: &QueryRequest) -> Self {
        Self {
            is_tail: false,
            namespace: query.namespace.clone(),
            series: query.series.clone(),
            range: (query.start, query.end),
            tags: query.tags.clone(),
            reverse: query.reverse,
        }
    }

    /// A tail token of a Query, or one of a Tail, without tags.
    pub(super) fn of_tail(namespace: &str, series: &str) -> Self {
        Self {
            is_tail: true,
            namespace: namespace.to_owned(),
            series: series.to_owned(),
            range: (None, None),
            tags: TagsInput::new(),
            reverse: false,
        }
    }

    /// Whether the flawed gateway takes a token of `self` in the request of `other`, although the contract refuses it.
    fn is_taken_in(&self, other: &Self, flaw: Flaw) -> bool {
        if self == other {
            return false;
        }
        let mut loose = self.clone();
        if !other.is_tail {
            if flaw.has(Bug::AcceptsATokenOfAnotherNamespace) {
                loose.namespace.clone_from(&other.namespace);
            }
            if flaw.has(Bug::AcceptsATokenOfAnotherSeries) {
                loose.series.clone_from(&other.series);
            }
            if flaw.has(Bug::AcceptsATokenOfAnotherRange) {
                loose.range = other.range;
            }
            if flaw.has(Bug::AcceptsATokenOfOtherTags) {
                loose.tags.clone_from(&other.tags);
            }
            if flaw.has(Bug::AcceptsATokenOfTheOtherDirection) {
                loose.reverse = other.reverse;
            }
            return loose == *other || (self.is_tail && flaw.has(Bug::AcceptsATailTokenInAQuery));
        }
        if flaw.has(Bug::AcceptsATailTokenOfAnotherNamespace) {
            loose.namespace.clone_from(&other.namespace);
        }
        if flaw.has(Bug::AcceptsATailTokenOfAnotherSeries) {
            loose.series.clone_from(&other.series);
        }
        loose == *other || (!self.is_tail && flaw.has(Bug::AcceptsAResumeTokenInATail))
    }
}

/// The token that the contract's edge gets: empty, to start over, where a flaw takes what must be refused.
pub(super) fn taken(flaw: Flaw, token: Bytes, known: Option<&Binding>, request: &Binding) -> Bytes {
    let garbage = if request.is_tail { Bug::AcceptsAGarbageTailToken } else { Bug::AcceptsAGarbageToken };
    let is_taken = known.map_or(flaw.has(garbage), |known| known.is_taken_in(request, flaw));
    if is_taken { Bytes::new() } else { token }
}

/// The token as a client gets it from the process with this number.
pub(super) fn sealed(flaw: Flaw, token: Bytes, boot: u64) -> Bytes {
    if !flaw.has(Bug::TokensDieWithTheProcess) || token.is_empty() {
        return token;
    }
    [&token[..], &boot.to_le_bytes()].concat().into()
}

/// The token as the process with this number reads it.
pub(super) fn opened(flaw: Flaw, token: Bytes, boot: u64) -> Bytes {
    if !flaw.has(Bug::TokensDieWithTheProcess) || token.is_empty() {
        return token;
    }
    token.strip_suffix(&boot.to_le_bytes()).map_or(GARBAGE, |token| token.to_vec().into())
}

/// The namespace and the series of a Tail, and of its tokens.
pub(super) fn of_request(tail: &TailRequest) -> Binding {
    Binding::of_tail(&tail.namespace, &tail.series)
}
