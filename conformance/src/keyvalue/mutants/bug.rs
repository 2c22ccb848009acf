//! The flaws of the flawed store. The [catalogue](super::mutants) describes each of them.

use prism_contract::keyvalue::Capabilities;

/// A flaw; its name is the mutant's id.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Bug {
    TruncatesAtNul,
    ReadsValuesAsUtf8,
    CutsLongValues,
    RefusesAValueAtTheLimit,
    EmptyValueIsAbsence,
    FoldsCase,
    TruncatesKeysAtNul,
    ReadsKeysAsUtf8,
    NormalisesKeys,
    ReadsKeysAsNumbers,
    LikeFoldsCase,
    LikeWithoutEscapes,
    FoldsCaseOfIds,
    NormalisesIds,
    TrimsIds,
    DropsContentType,
    DropsCompression,
    ForgetsUnknownCompressions,
    AbsentRecordIsNotFound,
    AnswersAbsentKeysEmpty,
    LeaksAcrossNamespaces,
    ScansByNamespacePrefix,
    KeepsOldContentType,
    ReplacesTheRecord,
    AppliesHalfABatch,
    TornPut,
    SupersededItemFailsTheWholePut,
    AcceptsDuplicateKeys,
    ResetsCreatedAt,
    CreatedAtSurvivesDelete,
    OverwriteKeepsUpdatedAt,
    RoundsTimesToMillis,
    RefusedPutIsWritten,
    LooksUp256ItemsOfAPut,
    Deletes256NamedKeys,
    ScanShowsDeletedItems,
    PreconditionSeesDeletedItems,
    CountsNamedKeys,
    DeletesTheWholeRecord,
    PrefixDeleteTakesSiblings,
    MissingPredicateDeletesAll,
    UnsetPredicateMeansAll,
    GetNeedsAPredicate,
    DeleteStopsAtFirst,
    TornDelete,
    OverwriteKeepsTheVersion,
    ReusesVersionAfterDelete,
    VersionPerRecordStartsOver,
    ReusesVersionAfterExpiry,
    ComparesKeysAsText,
    OrdersAsSignedBytes,
    OrdersShorterFirst,
    ScanFoldsCaseOfIds,
    ScanOrdersByInsertion,
    ScanOrdersByConcatenatedText,
    ReversesEachPageAlone,
    ReverseMirrorsEachRecordAlone,
    ReverseScanBeginsAtAnAsciiId,
    EndInclusive,
    StartExclusive,
    EmptyEndSelectsNothing,
    AcceptsAnInvertedRange,
    AcceptsAnEmptyRange,
    RefusesABoundBehindTheLongestKey,
    CutsABoundToTheLengthOfAKey,
    PrefixFfWrong,
    EmptyPrefixSelectsNothing,
    MatchKeysInRequestOrder,
    MatchKeysRepeats,
    LosesTheLastPage,
    RepeatsTheItemAtAPageBorder,
    SkipsAnItemAtAPageBorder,
    PagesByOffset,
    TokenAtADeletedItemEndsThePages,
    TokenAtADeletedItemStartsOver,
    AcceptsATokenOfAnotherMethod,
    AcceptsATokenOfAnotherNamespace,
    AcceptsATokenOfAnotherId,
    AcceptsATokenOfAnotherPredicate,
    AcceptsATokenOfAnotherWayToSayAll,
    AcceptsATokenOfAnotherDirection,
    AcceptsAGarbageToken,
    BindsTokensToTheItemLimit,
    TellsAnAbsentPredicateFromMatchAll,
    BindsTokensToTheOrderOfKeys,
    TokenOnTheLastPage,
    TokensDieWithTheProcess,
    IgnoresItemLimit,
    IgnoresPageBytes,
    HugeItemStopsThePages,
    WeighsValuesOnly,
    ScanForgetsTheWeightOfIds,
    KeysOnlyWeighsValues,
    RefusesALimitAboveTheMaximum,
    KeysOnlyLeaksValues,
    KeysOnlyMissesEmptyValues,
    ScanLosesAMessageOnResume,
    LastScanMessageIsMissing,
    ScanWithoutARestEndsUnsaid,
    ScanGivesNoTokens,
    ScanForgetsLimit,
    ScanLimitEndsWithoutAToken,
    ReadsAScanBeforehand,
    ForgetsPreconditions,
    WritesDespiteAFailedPrecondition,
    AnyPreconditionSuffices,
    NamesOnlyTheFirstFailingPrecondition,
    FailedPreconditionWithoutVersions,
    VersionAtLeastInsteadOfEqual,
    VersionZeroDemandsNothing,
    ExpiredItemBlocksPutIfAbsent,
    NegativeVersionMeansAbsent,
    RacingCompareAndSet,
    IgnoresPreconditionsOfOtherKeys,
    AcceptsAPreconditionTwice,
    DeleteIgnoresPreconditions,
    RacingConditionalDelete,
    IgnoresTokens,
    SupersededPutHasNoVersion,
    SupersededPutSaysApplied,
    DeleteIgnoresItsToken,
    SupersededDeleteCounts,
    TokenZeroClears,
    TokenZeroRaises,
    TokenZeroIsCompared,
    TokenAtLeastInsteadOfGreater,
    SupersededPutTouchesUpdatedAt,
    ForgetsTombstones,
    ForgetsTombstonesAfterADeleteWithoutToken,
    ForgetsTokensOfAbsentKeys,
    ExpiryForgetsTheToken,
    RangeDeleteRaisesTombstones,
    SupersededDeleteRenewsTheTombstone,
    TombstoneCountsFromTheExpiry,
    RemembersATickTooLong,
    ForgetsATickEarly,
    ForgetsTombstonesAfterASecond,
    NeverForgetsTombstones,
    SweepForgetsTombstones,
    ShowsTombstones,
    CountsTombstonesAsDeleted,
    TombstoneBlocksPutIfAbsent,
    AcceptsANegativeToken,
    ExpiresATickEarly,
    ExpiresThreeSecondsEarly,
    ExpiresATickLate,
    ExpiresOnlyWhenSwept,
    GetShowsExpiredItems,
    ScanShowsExpiredItems,
    CountsExpiredItemsAsDeleted,
    KeepsTtlOnOverwrite,
    ZeroTtlMeansForever,
    NegativeTtlMeansForever,
    NormalisesAMalformedTtl,
    CapsAnEndlessTtl,
    RoundsATtlDown,
    SweepsEveryItemWithATtl,
    SweepsATickEarly,
    StaleReadAfterWrite,
    GatewayAnswersFromItsCache,
    WritesTheWholeRecordBack,
    TornGet,
    RangeDeleteTearsPut,
    DeadlocksOnOpposedKeys,
    LosesWritesOnReopen,
    LosesTheLastWriteInACrash,
    DeletesComeBackAfterACrash,
    CrashLeavesHalfAPut,
    RegressesVersionsOnReopen,
    ForgetsTokensOnReopen,
    ForgetsTombstonesOnReopen,
    ForgetsExpiryOnReopen,
    RunsOnUnsafeSettings,
    MissingErrorInfo,
    AnswersAnOutageAsEmpty,
    AcknowledgesDuringAnOutage,
    SaysInternalForAnOutage,
    OutageHasNoRetryInfo,
    RefusalHasNoFieldViolations,
    RefusalNamesOnlyTheFirstViolation,
    ListsAFieldTwice,
    SpellsFieldsInCamelCase,
    NamesFieldsWithoutTheirIndex,
    LeavesOutTheCountOfViolations,
    DetailsLackTheTypedPreconditions,
    EscapesKeysInUpperCase,
    LeavesBackslashesInKeys,
    LeavesOutPreconditionsThatDoNotFit,
    CountsPreconditionsUnderAnInventedKey,
    DetailsExceedTheTrailer,
    SaysAbortedForAFailedPrecondition,
    SaysOutOfRangeForABadToken,
    AcceptsATooLongContentType,
    ChecksCapabilityBeforeValidity,
    LeaksSqlInMessages,
    LeaksValuesInMessages,
    UnclaimedStillAnswers,
    UnclaimedIsIgnored,
    ClaimsReverseWithoutIt,
}

impl Bug {
    /// Whether the flaw is visible only in a store without capabilities beyond the core.
    pub(crate) const fn needs_core_store(self) -> bool {
        matches!(
            self,
            Self::UnclaimedStillAnswers | Self::UnclaimedIsIgnored | Self::ChecksCapabilityBeforeValidity
        )
    }
}

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
