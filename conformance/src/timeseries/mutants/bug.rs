//! The flaws of the flawed store. The [catalogue](super::mutants) describes each of them.

use prism_contract::timeseries::Capabilities;

/// Configuration of a store: its flaws, and its capabilities. A mutant has one flaw; two at once show whether the suite can
/// tell them apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flaw {
    bugs: [Option<Bug>; 2],
    core_only: bool,
}

impl Flaw {
    /// No flaw, every capability.
    pub(crate) const NONE: Self = Self { bugs: [None; 2], core_only: false };
    /// No flaw, no capability beyond the core.
    pub(crate) const NONE_CORE_ONLY: Self = Self { bugs: [None; 2], core_only: true };

    /// This flaw.
    pub(crate) const fn of(bug: Bug) -> Self {
        Self { bugs: [Some(bug), None], core_only: bug.needs_core_store() }
    }

    /// Both flaws; `None`: they are visible in different stores only.
    pub(crate) fn both(first: Bug, second: Bug) -> Option<Self> {
        let core_only = first.needs_core_store();
        let both = Self { bugs: [Some(first), Some(second)], core_only };
        (core_only == second.needs_core_store()).then_some(both)
    }

    /// Whether this is a flaw of the store.
    pub(crate) fn has(self, bug: Bug) -> bool {
        self.bugs.contains(&Some(bug))
    }

    /// The capabilities that the store reports.
    pub(crate) const fn capabilities(self) -> Capabilities {
        if self.core_only { Capabilities::NONE } else { Capabilities::ALL }
    }
}

impl Bug {
    /// Whether the flaw is visible only in a store without capabilities beyond the core.
    pub(crate) const fn needs_core_store(self) -> bool {
        matches!(self, Self::UnclaimedStillAnswers | Self::UnclaimedIsInvalid)
    }
}

/// A flaw; its name is the mutant's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    IgnoresPageBytes,
    RefusesAPayloadAtTheLimit,
    CutsLongIds,
    CutsLongSeries,
    RoundsTimesToMillis,
    TakesTimesFinerThanAMicrosecond,
    RoundsBoundsDown,
    AnswersInTheOrderOfTimes,
    CutsLongPayloads,
    TruncatesPayloadsAtNul,
    DropsContentType,
    DropsTheLastTag,
    StaleReadAfterAppend,
    OverwritesTheFirstContent,
    WritesPartOfARefusedAppend,
    StopsAtADuplicate,
    AcceptsAnIdentityTwice,
    TornAppend,
    ReadsBehindRunningAppends,
    PositionsBeforeTheCommit,
    DuplicatesAreNew,
    ComparesIdsAlone,
    DuplicateFailsTheAppend,
    UnsweptIsADuplicate,
    FoldsCaseOfIds,
    FoldsCaseOfSeries,
    TrimsSeries,
    FoldsCaseOfTags,
    WritesAllToTheFirstSeries,
    SortsAnAppendByTime,
    ReversesAnAppend,
    IgnoresTheWindow,
    WindowEndsATickEarly,
    WindowEndsATickLate,
    LimitsThePastOnly,
    RefusesDuplicatesOutside,
    AcceptsAllBesideADuplicate,
    EndInclusive,
    StartExclusive,
    ForgetsTheSnapshot,
    OrdersById,
    OrdersIdsBackwards,
    AcceptsAnEmptyRange,
    ForgetsTheSecondTag,
    MatchesAnyTag,
    EmptyTagMatchesItsAbsence,
    SkipsAnEventAtAPageBorder,
    RepeatsAnEventAtAPageBorder,
    LosesTheLastMessage,
    ForgetsTheLimit,
    LimitEndsWithoutAToken,
    SkipsTheRestOfAMoment,
    LateEventsComeLast,
    IgnoresReverse,
    ReversesEachPage,
    ReverseKeepsTheOrderOfIds,
    ShowsPayloadsThatAreLeftOut,
    LeavesOutTagsWithPayloads,
    LeavesOutEventsWithoutPayload,
    AcceptsATokenOfAnotherNamespace,
    AcceptsATokenOfAnotherSeries,
    AcceptsATokenOfAnotherRange,
    AcceptsATokenOfOtherTags,
    AcceptsATokenOfTheOtherDirection,
    AcceptsATailTokenInAQuery,
    AcceptsAGarbageToken,
    TokensDieWithTheProcess,
    TailTokenIsTheEndOfTheQuery,
    TailTokenIsTheBeginning,
    TailForgetsLateEvents,
    TailSkipsWhatAMessageDoesNotHold,
    TailFromNowBringsTheLastEvent,
    TailBringsTheFirstHundredOnly,
    TailGoesByTime,
    TailSkipsAnEventOnResume,
    TailRepeatsAnEventOnResume,
    HeartbeatStaysBehind,
    NeverExpiresATailToken,
    ExpiredTokenIsInvalid,
    BeginningExpires,
    BeginningNeverExpiresAfterwards,
    DeletionExpiresTokens,
    TailWakesTooLate,
    NamespaceTailBringsOneSeries,
    NamespaceTailTurnsTheOrder,
    AcceptsATailTokenOfAnotherNamespace,
    AcceptsATailTokenOfAnotherSeries,
    BindsTailTokensToTags,
    AcceptsAResumeTokenInATail,
    AcceptsAGarbageTailToken,
    TailWithoutAStartBeginsNow,
    ExpiresATickEarly,
    ExpiresATickLate,
    ExpiresOnlyWhenSwept,
    QueryShowsExpiredEvents,
    ListShowsExpiredSeries,
    CountsExpiredEvents,
    SweepsATickEarly,
    SweepsTheWholeSeries,
    KeepsTheOldRetention,
    DeleteEndInclusive,
    DeleteStartExclusive,
    DeleteCountsExpiredEvents,
    DeletesSiblings,
    DeleteOfNothingIsNotFound,
    DeletedEventsCannotComeBack,
    DeletedEventsComeBackAsTheyWere,
    DeleteWithoutARangeTakesAll,
    AllBeatsABound,
    ListMatchesWithinNames,
    ListFoldsCase,
    ListSkipsANameAtAPageBorder,
    ListForgetsTheLimit,
    AcceptsAListTokenOfAnotherPrefix,
    BucketsBeginAtTheEpoch,
    BucketsAreATickWider,
    HistogramEndInclusive,
    HistogramIgnoresTags,
    AcceptsTooManyBuckets,
    ZeroBucketIsTheWholeRange,
    NarrowsNamespaces,
    NarrowsSeries,
    LosesEventsOnReopen,
    LosesTheLastAppendInACrash,
    CrashLeavesHalfAnEvent,
    CrashLeavesHalfAnAppend,
    MissingErrorInfo,
    RefusalNamesOnlyTheFirstViolation,
    UnclaimedStillAnswers,
    UnclaimedIsInvalid,
    ClaimsReverseWithoutIt,
    DescribesAnotherPolicy,
}
