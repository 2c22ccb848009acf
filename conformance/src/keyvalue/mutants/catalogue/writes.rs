//! Put and Delete: the PUT, DEL and VER rules.

use super::{Bug, Seeded, mutant};

pub(super) const MUTANTS: &[Seeded] = &[
    mutant!(KeepsOldContentType, ["PUT-1"], "An overwrite without a content_type keeps the old one."),
    mutant!(ReplacesTheRecord, ["PUT-2"], "A Put replaces the whole record."),
    mutant!(AppliesHalfABatch, ["PUT-3"], "The second half of a Put's items is not written."),
    mutant!(TornPut, ["PUT-3"], "A Put lets readers in between its items.").racy(),
    mutant!(
        SupersededItemFailsTheWholePut,
        ["PUT-3", "TOK-1"],
        "One superseded item leaves the others unwritten."
    ),
    mutant!(AcceptsDuplicateKeys, ["PUT-4"], "Of a key named twice the last is written."),
    mutant!(ResetsCreatedAt, ["PUT-5"], "An overwrite sets created_at anew."),
    mutant!(CreatedAtSurvivesDelete, ["PUT-5"], "An item written after a delete keeps the old created_at."),
    mutant!(OverwriteKeepsUpdatedAt, ["PUT-5"], "An overwrite leaves updated_at as it was."),
    mutant!(RoundsTimesToMillis, ["PUT-5"], "Times are kept in whole milliseconds."),
    mutant!(RefusedPutIsWritten, ["PUT-6"], "The valid items of a refused Put are written."),
    mutant!(
        LooksUp256ItemsOfAPut,
        ["PUT-5", "TOK-1"],
        "The items of a Put after the 256th are written as if nothing stood there."
    ),
    mutant!(
        Deletes256NamedKeys,
        ["DEL-5", "DEL-2"],
        "Of the keys that a Delete names those after the 256th are passed over."
    ),
    mutant!(ScanShowsDeletedItems, ["DEL-1"], "A Scan still answers deleted items."),
    mutant!(
        PreconditionSeesDeletedItems,
        ["DEL-1", "COND-2"],
        "A precondition still sees a deleted item's version."
    ),
    mutant!(CountsNamedKeys, ["DEL-2"], "deleted_count counts the keys that were named."),
    mutant!(DeletesTheWholeRecord, ["DEL-3"], "A Delete by range or prefix removes the whole record."),
    mutant!(
        PrefixDeleteTakesSiblings,
        ["DEL-3"],
        "A Delete by a prefix such as a/ takes every key that begins with a."
    ),
    mutant!(MissingPredicateDeletesAll, ["DEL-4"], "A Delete without a predicate removes everything."),
    mutant!(UnsetPredicateMeansAll, ["DEL-4"], "A predicate without a kind is match_all."),
    mutant!(GetNeedsAPredicate, ["DEL-4"], "A Get without a predicate is refused."),
    mutant!(DeleteStopsAtFirst, ["DEL-5"], "A Delete removes the first chosen item alone."),
    mutant!(TornDelete, ["DEL-5"], "A Delete lets others in between its items.").racy(),
    mutant!(OverwriteKeepsTheVersion, ["VER-1"], "An overwrite does not raise the version."),
    mutant!(ReusesVersionAfterDelete, ["VER-2"], "Versions count per key, from 1 again after a delete."),
    mutant!(
        VersionPerRecordStartsOver,
        ["VER-2"],
        "Versions count per record, from 1 again once it is empty."
    ),
    mutant!(ReusesVersionAfterExpiry, ["VER-1", "VER-2"], "Versions start over after an expiry."),
];
