//! Put and Delete: the PUT, DEL and VER rules.

use super::{Bug, Mutant, mutant};
use crate::mutants::witness::{predicates, races, refusals, tokens, values, writes};

pub(super) const MUTANTS: &[Mutant] = &[
    mutant!(
        KeepsOldContentType,
        ["PUT-1"],
        "An overwrite without a content_type keeps the old one.",
        values::metadata
    ),
    mutant!(ReplacesTheRecord, ["PUT-2"], "A Put replaces the whole record.", writes::overwrites),
    mutant!(
        AppliesHalfABatch,
        ["PUT-3"],
        "The second half of a Put's items is not written.",
        writes::overwrites
    ),
    mutant!(TornPut, ["PUT-3"], "A Put lets readers in between its items.", races::put_and_get).racy(),
    mutant!(
        SupersededItemFailsTheWholePut,
        ["PUT-3", "TOK-1"],
        "One superseded item leaves the others unwritten.",
        tokens::live_items
    ),
    mutant!(AcceptsDuplicateKeys, ["PUT-4"], "Of a key named twice the last is written.", refusals::puts),
    mutant!(ResetsCreatedAt, ["PUT-5"], "An overwrite sets created_at anew.", writes::overwrites),
    mutant!(
        CreatedAtSurvivesDelete,
        ["PUT-5"],
        "An item written after a delete keeps the old created_at.",
        writes::overwrites
    ),
    mutant!(
        OverwriteKeepsUpdatedAt,
        ["PUT-5"],
        "An overwrite leaves updated_at as it was.",
        writes::overwrites
    ),
    mutant!(RoundsTimesToMillis, ["PUT-5"], "Times are kept in whole milliseconds.", writes::overwrites),
    mutant!(RefusedPutIsWritten, ["PUT-6"], "The valid items of a refused Put are written.", refusals::puts),
    mutant!(
        LooksUp256ItemsOfAPut,
        ["PUT-5", "TOK-1"],
        "The items of a Put after the 256th are written as if nothing stood there.",
        writes::many
    ),
    mutant!(
        Deletes256NamedKeys,
        ["DEL-5", "DEL-2"],
        "Of the keys that a Delete names those after the 256th are passed over.",
        writes::many
    ),
    mutant!(ScanShowsDeletedItems, ["DEL-1"], "A Scan still answers deleted items.", predicates::deletes),
    mutant!(
        PreconditionSeesDeletedItems,
        ["DEL-1", "COND-2"],
        "A precondition still sees a deleted item's version.",
        predicates::deletes
    ),
    mutant!(
        CountsNamedKeys,
        ["DEL-2"],
        "deleted_count counts the keys that were named.",
        predicates::deletes
    ),
    mutant!(
        DeletesTheWholeRecord,
        ["DEL-3"],
        "A Delete by range or prefix removes the whole record.",
        predicates::deletes
    ),
    mutant!(
        MissingPredicateDeletesAll,
        ["DEL-4"],
        "A Delete without a predicate removes everything.",
        predicates::missing_predicates
    ),
    mutant!(
        UnsetPredicateMeansAll,
        ["DEL-4"],
        "A predicate without a kind is match_all.",
        predicates::missing_predicates
    ),
    mutant!(
        GetNeedsAPredicate,
        ["DEL-4"],
        "A Get without a predicate is refused.",
        predicates::missing_predicates
    ),
    mutant!(
        DeleteStopsAtFirst,
        ["DEL-5"],
        "A Delete removes the first chosen item alone.",
        predicates::deletes
    ),
    mutant!(TornDelete, ["DEL-5"], "A Delete lets others in between its items.", races::delete_and_put)
        .racy(),
    mutant!(
        OverwriteKeepsTheVersion,
        ["VER-1"],
        "An overwrite does not raise the version.",
        writes::overwrites
    ),
    mutant!(
        ReusesVersionAfterDelete,
        ["VER-2"],
        "Versions count per key, from 1 again after a delete.",
        writes::overwrites
    ),
    mutant!(
        VersionPerRecordStartsOver,
        ["VER-2"],
        "Versions count per record, from 1 again once it is empty.",
        writes::overwrites
    ),
    mutant!(
        ReusesVersionAfterExpiry,
        ["VER-1", "VER-2"],
        "Versions start over after an expiry.",
        writes::end_of_life
    ),
];
