//! Mutants of Query.

use super::{Bug, Seeded, mutant};

pub(super) const MUTANTS: &[Seeded] = &[
    mutant!(EndInclusive, ["QRY-1"], "The end of a Query's range is inclusive."),
    mutant!(StartExclusive, ["QRY-1"], "The start of a Query's range is exclusive."),
    mutant!(ForgetsTheSnapshot, ["QRY-1"], "A later message shows what was appended after the Query began."),
    mutant!(OrdersById, ["QRY-1"], "A message is ordered by id."),
    mutant!(OrdersIdsBackwards, ["QRY-1"], "Events of one time are ordered by their ids backwards."),
    mutant!(AcceptsAnEmptyRange, ["QRY-2"], "A range without a time answers nothing, and is not refused."),
    mutant!(ForgetsTheSecondTag, ["QRY-3"], "Of several tags the first one is looked at."),
    mutant!(MatchesAnyTag, ["QRY-3"], "An event with one of the tags matches."),
    mutant!(EmptyTagMatchesItsAbsence, ["QRY-3"], "An empty value matches an event without the tag."),
    mutant!(SkipsAnEventAtAPageBorder, ["QRY-4", "QRY-5"], "A later message leaves out its first event."),
    mutant!(
        RepeatsAnEventAtAPageBorder,
        ["QRY-4", "QRY-5"],
        "A message starts with the event that the message before ended with."
    ),
    mutant!(LosesTheLastMessage, ["QRY-4"], "The last of several messages is lost."),
    mutant!(ForgetsTheLimit, ["QRY-4"], "A Query's limit is not looked at."),
    mutant!(LimitEndsWithoutAToken, ["QRY-4"], "A Query that its limit cut has no resume token."),
    mutant!(
        SkipsTheRestOfAMoment,
        ["QRY-5", "QRY-4"],
        "A message that ended between events of one time is resumed behind all of them."
    ),
    mutant!(
        LateEventsComeLast,
        ["QRY-6", "QRY-1"],
        "A late event comes behind those that were there before."
    ),
    mutant!(IgnoresReverse, ["QRY-7"], "reverse is not looked at."),
    mutant!(ReversesEachPage, ["QRY-7"], "Each message is turned by itself."),
    mutant!(
        ReverseKeepsTheOrderOfIds,
        ["QRY-7"],
        "With reverse, events of one time are in the order of their ids."
    ),
    mutant!(ShowsPayloadsThatAreLeftOut, ["QRY-8"], "without_payload is not looked at."),
    mutant!(LeavesOutTagsWithPayloads, ["QRY-8"], "Without payloads the tags are left out too."),
    mutant!(LeavesOutEventsWithoutPayload, ["QRY-8", "QRY-1"], "Events with an empty payload are left out."),
    mutant!(AcceptsATokenOfAnotherNamespace, ["QRY-9"], "A resume token of another namespace is taken."),
    mutant!(AcceptsATokenOfAnotherSeries, ["QRY-9"], "A resume token of another series is taken."),
    mutant!(AcceptsATokenOfAnotherRange, ["QRY-9"], "A resume token of another range is taken."),
    mutant!(AcceptsATokenOfOtherTags, ["QRY-9"], "A resume token of other tags is taken."),
    mutant!(AcceptsATokenOfTheOtherDirection, ["QRY-9"], "A resume token of the other direction is taken."),
    mutant!(AcceptsATailTokenInAQuery, ["QRY-9"], "A Query takes the token of a Tail."),
    mutant!(AcceptsAGarbageToken, ["QRY-9"], "A malformed resume token starts from the first event."),
    mutant!(TokensDieWithTheProcess, ["QRY-10"], "A token is known to the process alone that gave it."),
    mutant!(
        TailTokenIsTheEndOfTheQuery,
        ["QRY-11"],
        "The tail_token is the position at the Query's last message: a gap."
    ),
    mutant!(TailTokenIsTheBeginning, ["QRY-11"], "The tail_token is before the first event."),
];
