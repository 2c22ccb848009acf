//! Concurrency, durability, errors and capabilities: the LIN, DUR, ERR and CAP rules.

use super::{Bug, Seeded, mutant};

pub(super) const MUTANTS: &[Seeded] = &[
    mutant!(StaleReadAfterWrite, ["LIN-1"], "The first Get after a Put answers what was there before."),
    mutant!(
        GatewayAnswersFromItsCache,
        ["LIN-1"],
        "A gateway answers what it read before, whatever was written since."
    ),
    mutant!(
        WritesTheWholeRecordBack,
        ["LIN-2", "LIN-1"],
        "A Put reads the record, and later writes all of it back."
    )
    .racy(),
    mutant!(TornGet, ["LIN-3"], "A Get reads its record in two halves.").racy(),
    mutant!(RangeDeleteTearsPut, ["LIN-4"], "A range Delete lets a Put in between two of its items.").racy(),
    mutant!(
        DeadlocksOnOpposedKeys,
        ["LIN-5"],
        "A Put locks its keys one by one, in the order of the request."
    )
    .racy(),
    mutant!(LosesWritesOnReopen, ["DUR-1"], "A restart finds nothing."),
    mutant!(LosesTheLastWriteInACrash, ["DUR-1"], "The last write before a kill is gone."),
    mutant!(DeletesComeBackAfterACrash, ["DUR-1"], "What was deleted before a kill is back."),
    mutant!(CrashLeavesHalfAPut, ["DUR-2"], "A Put that a kill cuts short is there by half.").racy(),
    mutant!(RegressesVersionsOnReopen, ["DUR-3"], "A restart counts on from the highest version it finds."),
    mutant!(ForgetsTokensOnReopen, ["DUR-3"], "A restart forgets the highest tokens."),
    mutant!(ForgetsTombstonesOnReopen, ["DUR-3"], "A restart forgets tombstones."),
    mutant!(ForgetsExpiryOnReopen, ["TTL-4"], "A restart forgets when items expire."),
    mutant!(RunsOnUnsafeSettings, ["DUR-4"], "The database does not wait for its disk."),
    mutant!(MissingErrorInfo, ["ERR-1"], "Statuses carry no ErrorInfo."),
    mutant!(AnswersAnOutageAsEmpty, ["ERR-1"], "A Get during an outage answers nothing, and OK."),
    mutant!(AcknowledgesDuringAnOutage, ["ERR-1"], "A Put during an outage answers OK."),
    mutant!(SaysInternalForAnOutage, ["ERR-1"], "An outage is INTERNAL."),
    mutant!(OutageHasNoRetryInfo, ["ERR-1"], "UNAVAILABLE does not say when to try again."),
    mutant!(RefusalHasNoFieldViolations, ["ERR-1"], "INVALID_ARGUMENT does not say which field."),
    mutant!(
        RefusalNamesOnlyTheFirstViolation,
        ["ERR-1"],
        "INVALID_ARGUMENT lists the first violation alone."
    ),
    mutant!(ListsAFieldTwice, ["ERR-1"], "A field at fault is listed twice."),
    mutant!(SpellsFieldsInCamelCase, ["ERR-1"], "A violation spells its field as JSON does."),
    mutant!(NamesFieldsWithoutTheirIndex, ["ERR-1"], "A violation names a list's element without its index."),
    mutant!(
        LeavesOutTheCountOfViolations,
        ["ERR-1"],
        "Violations that are not listed are left out without a word."
    ),
    mutant!(
        DetailsLackTheTypedPreconditions,
        ["ERR-1"],
        "A failed precondition carries a PreconditionFailure alone."
    )
    .wire(),
    mutant!(EscapesKeysInUpperCase, ["ERR-1"], "The escapes of a failing key have upper-case digits.").wire(),
    mutant!(LeavesBackslashesInKeys, ["ERR-1"], "A backslash in a failing key is not escaped.").wire(),
    mutant!(
        LeavesOutPreconditionsThatDoNotFit,
        ["ERR-1"],
        "Failing preconditions that do not fit are left out without a word."
    )
    .wire(),
    mutant!(
        CountsPreconditionsUnderAnInventedKey,
        ["ERR-1"],
        "The violation that stands for the rest has the type and the form of a key."
    )
    .wire(),
    mutant!(
        DetailsExceedTheTrailer,
        ["ERR-1"],
        "The details of a refusal are larger than the trailers that clients take."
    )
    .wire(),
    mutant!(SaysAbortedForAFailedPrecondition, ["ERR-1", "COND-1"], "A failed precondition is ABORTED."),
    mutant!(SaysOutOfRangeForABadToken, ["ERR-1", "PAGE-4"], "A token that is none is OUT_OF_RANGE."),
    mutant!(AcceptsATooLongContentType, ["ERR-1"], "A content_type that is too long is cut."),
    mutant!(
        ChecksCapabilityBeforeValidity,
        ["ERR-1"],
        "What is not claimed is answered before what is not valid."
    ),
    mutant!(LeaksSqlInMessages, ["ERR-2"], "A message quotes the database."),
    mutant!(LeaksValuesInMessages, ["ERR-2"], "A refusal quotes the values it refuses."),
    mutant!(UnclaimedStillAnswers, ["CAP-1"], "What is not claimed is done all the same."),
    mutant!(UnclaimedIsIgnored, ["CAP-1"], "What is not claimed is left out of the request without a word."),
    mutant!(ClaimsReverseWithoutIt, ["CAP-1"], "REVERSE is claimed and answers UNIMPLEMENTED."),
];
