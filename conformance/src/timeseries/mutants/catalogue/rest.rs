//! Mutants of Retention, deletion, lists, counts, isolation, durability and statuses.

use super::{Bug, Seeded, mutant};

pub(super) const MUTANTS: &[Seeded] = &[
    mutant!(ExpiresATickEarly, ["RET-1"], "An event expires a microsecond early."),
    mutant!(ExpiresATickLate, ["RET-1"], "An event expires a microsecond late."),
    mutant!(ExpiresOnlyWhenSwept, ["RET-1"], "An event that has expired is live until it is swept."),
    mutant!(QueryShowsExpiredEvents, ["RET-1"], "A Query shows expired events until they are swept."),
    mutant!(
        ListShowsExpiredSeries,
        ["RET-1", "SER-1"],
        "ListSeries names a series whose events have expired."
    ),
    mutant!(CountsExpiredEvents, ["RET-1", "HIS-1"], "A Histogram counts expired events."),
    mutant!(SweepsATickEarly, ["RET-2"], "A sweep removes an event a microsecond before it expires."),
    mutant!(SweepsTheWholeSeries, ["RET-2"], "A sweep removes a series of which one event has expired."),
    mutant!(
        KeepsTheOldRetention,
        ["RET-3"],
        "A shorter retention does not hold for a namespace with events."
    ),
    mutant!(DeleteEndInclusive, ["DEL-1"], "The end of a DeleteEvents' range is inclusive."),
    mutant!(DeleteStartExclusive, ["DEL-1"], "The start of a DeleteEvents' range is exclusive."),
    mutant!(DeleteCountsExpiredEvents, ["DEL-1"], "deleted_count counts expired events."),
    mutant!(DeletesSiblings, ["DEL-1", "ISO-1"], "Series whose names begin with the name are deleted too."),
    mutant!(DeleteOfNothingIsNotFound, ["DEL-2"], "Deleting what is absent is NOT_FOUND."),
    mutant!(DeletedEventsCannotComeBack, ["DEL-3"], "An event that was deleted is not written again."),
    mutant!(
        DeletedEventsComeBackAsTheyWere,
        ["DEL-3"],
        "An event that is appended after its deletion has its old content."
    ),
    mutant!(DeleteWithoutARangeTakesAll, ["DEL-4"], "A DeleteEvents without a range deletes everything."),
    mutant!(AllBeatsABound, ["DEL-4"], "all beside a bound deletes everything."),
    mutant!(ListMatchesWithinNames, ["SER-1"], "A prefix is looked for anywhere in a name."),
    mutant!(ListFoldsCase, ["SER-1"], "ListSeries is ordered without the case."),
    mutant!(
        ListSkipsANameAtAPageBorder,
        ["SER-1"],
        "A later message of ListSeries leaves out its first name."
    ),
    mutant!(ListForgetsTheLimit, ["SER-1"], "The limit of a ListSeries is not looked at."),
    mutant!(AcceptsAListTokenOfAnotherPrefix, ["SER-1"], "Any token of a ListSeries is taken."),
    mutant!(BucketsBeginAtTheEpoch, ["HIS-1"], "Buckets begin at multiples of their width."),
    mutant!(BucketsAreATickWider, ["HIS-1"], "A bucket holds the first microsecond of the next one."),
    mutant!(HistogramEndInclusive, ["HIS-1"], "The end of a Histogram is inclusive."),
    mutant!(HistogramIgnoresTags, ["HIS-1", "QRY-3"], "The tags of a Histogram are not looked at."),
    mutant!(AcceptsTooManyBuckets, ["HIS-2"], "A Histogram of too many buckets is empty, and not refused."),
    mutant!(ZeroBucketIsTheWholeRange, ["HIS-2"], "A bucket of 0 is the whole range."),
    mutant!(
        NarrowsNamespaces,
        ["ISO-1"],
        "Namespaces whose names differ in a dot and an underscore are one."
    ),
    mutant!(
        NarrowsSeries,
        ["ISO-1", "APP-9"],
        "Series whose names differ in a dot and an underscore are one."
    ),
    mutant!(LosesEventsOnReopen, ["DUR-1"], "What was appended is gone after a restart."),
    mutant!(LosesTheLastAppendInACrash, ["DUR-1"], "The last Append before a crash is gone."),
    mutant!(
        CrashLeavesHalfAnEvent,
        ["DUR-2"],
        "A crash leaves events of an unacknowledged Append with half of their payloads."
    )
    .racy(),
    mutant!(
        CrashLeavesHalfAnAppend,
        ["APP-5", "APP-7"],
        "A crash leaves the first half of the events of an unacknowledged Append."
    )
    .racy(),
    mutant!(MissingErrorInfo, ["ERR-1"], "A status has no ErrorInfo."),
    mutant!(RefusalNamesOnlyTheFirstViolation, ["ERR-1"], "A refusal names the first violation only."),
    mutant!(UnclaimedStillAnswers, ["CAP-1"], "A capability that is not declared still works."),
    mutant!(UnclaimedIsInvalid, ["CAP-1"], "What is not declared is INVALID_ARGUMENT."),
    mutant!(ClaimsReverseWithoutIt, ["CAP-1"], "REVERSE is declared, and UNIMPLEMENTED."),
    mutant!(DescribesAnotherPolicy, ["CAP-1"], "Describe says a policy that does not hold."),
];
