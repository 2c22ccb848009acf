//! Everything that a flawed store can forget, one thing at a time. The [catalogue](super::mutants) says what each is.

use prism_contract::keyvalue::Capabilities;

/// A flaw; the names are those of the mutants.
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
    ScanShowsDeletedItems,
    PreconditionSeesDeletedItems,
    CountsNamedKeys,
    DeletesTheWholeRecord,
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
    EndInclusive,
    StartExclusive,
    EmptyEndSelectsNothing,
    AcceptsAnInvertedRange,
    AcceptsAnEmptyRange,
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
    AcceptsATokenOfAnotherDirection,
    AcceptsAGarbageToken,
    BindsTokensToTheItemLimit,
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
    RemembersATickTooLong,
    ForgetsATickEarly,
    NeverForgetsTombstones,
    SweepForgetsTombstones,
    ShowsTombstones,
    CountsTombstonesAsDeleted,
    TombstoneBlocksPutIfAbsent,
    AcceptsANegativeToken,
    ExpiresATickEarly,
    ExpiresATickLate,
    ExpiresOnlyWhenSwept,
    GetShowsExpiredItems,
    ScanShowsExpiredItems,
    CountsExpiredItemsAsDeleted,
    KeepsTtlOnOverwrite,
    ZeroTtlMeansForever,
    NegativeTtlMeansForever,
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
    /// Whether the flaw shows only in a store that claims nothing beyond the core.
    pub(crate) const fn shows_in_a_core_store(self) -> bool {
        matches!(
            self,
            Self::UnclaimedStillAnswers | Self::UnclaimedIsIgnored | Self::ChecksCapabilityBeforeValidity
        )
    }
}

/// What a store is made with: one flaw or none, and how much it claims.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Flaw {
    bug: Option<Bug>,
    core_only: bool,
}

impl Flaw {
    /// No flaw, and every claim.
    pub(crate) const NONE: Self = Self { bug: None, core_only: false };
    /// No flaw, and no claim.
    pub(crate) const NONE_OF_A_CORE_STORE: Self = Self { bug: None, core_only: true };

    /// This flaw.
    pub(crate) const fn of(bug: Bug) -> Self {
        Self { bug: Some(bug), core_only: bug.shows_in_a_core_store() }
    }

    /// Whether this is the flaw.
    pub(crate) fn has(self, bug: Bug) -> bool {
        self.bug == Some(bug)
    }

    /// What the store says it offers.
    pub(crate) const fn claims(self) -> Capabilities {
        if self.core_only { Capabilities::NONE } else { Capabilities::ALL }
    }
}
