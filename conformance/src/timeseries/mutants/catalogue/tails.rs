//! Mutants of Tail.

use super::{Bug, Seeded, mutant};

pub(super) const MUTANTS: &[Seeded] = &[
    mutant!(
        TailForgetsLateEvents,
        ["TAIL-1"],
        "A Tail brings no event that is earlier than those before it."
    ),
    mutant!(
        TailSkipsWhatAMessageDoesNotHold,
        ["TAIL-1", "TAIL-3"],
        "A Tail goes on at the end of the log after a full message."
    ),
    mutant!(TailFromNowBringsTheLastEvent, ["TAIL-1"], "A Tail from now begins before the last event."),
    mutant!(
        TailBringsTheFirstHundredOnly,
        ["TAIL-1"],
        "A message of a Tail loses what is beyond a hundred events."
    ),
    mutant!(TailGoesByTime, ["TAIL-2", "APP-11"], "A message of a Tail is ordered by time."),
    mutant!(TailSkipsAnEventOnResume, ["TAIL-3"], "A resumed Tail loses its first event."),
    mutant!(
        TailRepeatsAnEventOnResume,
        ["TAIL-3"],
        "A resumed Tail begins with the event that the token is behind."
    ),
    mutant!(
        HeartbeatStaysBehind,
        ["TAIL-4"],
        "The token of a message without events is not past what did not match."
    ),
    mutant!(NeverExpiresATailToken, ["TAIL-6"], "Expired events are passed over: a silent gap."),
    mutant!(ExpiredTokenIsInvalid, ["TAIL-6", "ERR-1"], "An expired token is INVALID_ARGUMENT."),
    mutant!(
        BeginningExpires,
        ["TAIL-6"],
        "A Tail from the beginning is expired by what had expired before it began."
    ),
    mutant!(
        BeginningNeverExpiresAfterwards,
        ["TAIL-6"],
        "A token of a Tail from the beginning is not expired by what was live when it began."
    ),
    mutant!(DeletionExpiresTokens, ["TAIL-6"], "Tokens before a deleted event are expired."),
    mutant!(TailWakesTooLate, ["TAIL-8"], "A waiting Tail is not woken by an Append."),
    mutant!(NamespaceTailBringsOneSeries, ["TAIL-9"], "A message of a namespace's Tail brings one series."),
    mutant!(NamespaceTailTurnsTheOrder, ["TAIL-9"], "A message of a namespace's Tail is turned."),
    mutant!(AcceptsATailTokenOfAnotherNamespace, ["TAIL-10"], "A Tail takes a token of another namespace."),
    mutant!(AcceptsATailTokenOfAnotherSeries, ["TAIL-10"], "A Tail takes a token of another series."),
    mutant!(BindsTailTokensToTags, ["TAIL-10"], "A token is refused by a Tail with tags."),
    mutant!(AcceptsAResumeTokenInATail, ["TAIL-10"], "A Tail takes the resume token of a Query."),
    mutant!(AcceptsAGarbageTailToken, ["TAIL-10"], "A malformed token begins a Tail now."),
    mutant!(TailWithoutAStartBeginsNow, ["TAIL-10"], "A Tail without a starting point begins now."),
];
