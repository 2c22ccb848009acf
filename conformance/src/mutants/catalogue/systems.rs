//! Concurrency, durability, errors and claims: the LIN, DUR, ERR and CAP rules.

use super::{Bug, Mutant, mutant};
use crate::mutants::witness::{durability, races, refusals};

pub(super) const MUTANTS: &[Mutant] = &[
    mutant!(
        StaleReadAfterWrite,
        ["LIN-1"],
        "The first Get after a Put answers what was there before.",
        races::read_after_write
    ),
    mutant!(
        GatewayAnswersFromItsCache,
        ["LIN-1"],
        "A gateway answers what it read before, whatever was written since.",
        races::read_after_write
    ),
    mutant!(
        WritesTheWholeRecordBack,
        ["LIN-2", "LIN-1"],
        "A Put reads the record, and later writes all of it back.",
        races::two_puts
    )
    .racy(),
    mutant!(TornGet, ["LIN-3"], "A Get reads its record in two halves.", races::get_and_put).racy(),
    mutant!(
        RangeDeleteTearsPut,
        ["LIN-4"],
        "A range Delete lets a Put in between two of its items.",
        races::delete_and_put
    )
    .racy(),
    mutant!(
        DeadlocksOnOpposedKeys,
        ["LIN-5"],
        "A Put locks its keys one by one, in the order of the request.",
        races::opposed_puts
    )
    .racy(),
    mutant!(LosesWritesOnReopen, ["DUR-1"], "A restart finds nothing.", durability::restart),
    mutant!(LosesTheLastWriteInACrash, ["DUR-1"], "The last write before a kill is gone.", durability::crash),
    mutant!(
        DeletesComeBackAfterACrash,
        ["DUR-1"],
        "What was deleted before a kill is back.",
        durability::crash
    ),
    mutant!(
        CrashLeavesHalfAPut,
        ["DUR-2"],
        "A Put that a kill cuts short is there by half.",
        durability::crash_in_a_put
    )
    .racy(),
    mutant!(
        RegressesVersionsOnReopen,
        ["DUR-3"],
        "A restart counts on from the highest version it finds.",
        durability::versions
    ),
    mutant!(ForgetsTokensOnReopen, ["DUR-3"], "A restart forgets the highest tokens.", durability::restart),
    mutant!(ForgetsTombstonesOnReopen, ["DUR-3"], "A restart forgets tombstones.", durability::restart),
    mutant!(ForgetsExpiryOnReopen, ["TTL-4"], "A restart forgets when items expire.", durability::restart),
    mutant!(
        RunsOnUnsafeSettings,
        ["DUR-4"],
        "The database does not wait for its disk.",
        durability::settings
    ),
    mutant!(MissingErrorInfo, ["ERR-1"], "Statuses carry no ErrorInfo.", refusals::puts),
    mutant!(
        AnswersAnOutageAsEmpty,
        ["ERR-1"],
        "A Get during an outage answers nothing, and OK.",
        refusals::outage
    ),
    mutant!(AcknowledgesDuringAnOutage, ["ERR-1"], "A Put during an outage answers OK.", refusals::outage),
    mutant!(SaysInternalForAnOutage, ["ERR-1"], "An outage is INTERNAL.", refusals::outage),
    mutant!(OutageHasNoRetryInfo, ["ERR-1"], "UNAVAILABLE does not say when to try again.", refusals::outage),
    mutant!(
        RefusalHasNoFieldViolations,
        ["ERR-1"],
        "INVALID_ARGUMENT does not say which field.",
        refusals::puts
    ),
    mutant!(
        RefusalNamesOnlyTheFirstViolation,
        ["ERR-1"],
        "INVALID_ARGUMENT lists the first violation alone.",
        refusals::puts
    ),
    mutant!(
        SaysAbortedForAFailedPrecondition,
        ["ERR-1", "COND-1"],
        "A failed precondition is ABORTED.",
        refusals::preconditions
    ),
    mutant!(
        SaysOutOfRangeForABadToken,
        ["ERR-1", "PAGE-4"],
        "A token that is none is OUT_OF_RANGE.",
        refusals::pages
    ),
    mutant!(AcceptsATooLongContentType, ["ERR-1"], "A content_type that is too long is cut.", refusals::puts),
    mutant!(
        ChecksCapabilityBeforeValidity,
        ["ERR-1"],
        "What is not claimed is answered before what is not valid.",
        refusals::capabilities
    ),
    mutant!(LeaksSqlInMessages, ["ERR-2"], "A message quotes the database.", refusals::outage),
    mutant!(LeaksValuesInMessages, ["ERR-2"], "A refusal quotes the values it refuses.", refusals::puts),
    mutant!(
        UnclaimedStillAnswers,
        ["CAP-1"],
        "What is not claimed is done all the same.",
        refusals::capabilities
    ),
    mutant!(
        UnclaimedIsIgnored,
        ["CAP-1"],
        "What is not claimed is left out of the request without a word.",
        refusals::capabilities
    ),
    mutant!(
        ClaimsReverseWithoutIt,
        ["CAP-1"],
        "REVERSE is claimed and answers UNIMPLEMENTED.",
        refusals::capabilities
    ),
];
