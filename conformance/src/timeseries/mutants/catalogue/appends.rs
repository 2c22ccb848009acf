//! Mutants of Append and acceptance.

use super::{Bug, Seeded, mutant};

pub(super) const MUTANTS: &[Seeded] = &[
    mutant!(IgnoresPageBytes, ["LIM-1", "QRY-4"], "page_size_bytes is not looked at."),
    mutant!(RefusesAPayloadAtTheLimit, ["LIM-1"], "A payload of exactly 1 MiB is refused."),
    mutant!(CutsLongIds, ["LIM-1"], "An id that is too long is cut."),
    mutant!(CutsLongSeries, ["LIM-1"], "A series' name is cut after 255 characters."),
    mutant!(RoundsTimesToMillis, ["LIM-2"], "A time is kept in milliseconds."),
    mutant!(
        TakesTimesFinerThanAMicrosecond,
        ["LIM-2"],
        "A time that is finer than a microsecond is cut, not refused."
    ),
    mutant!(RoundsBoundsDown, ["LIM-2"], "A bound is rounded down."),
    mutant!(AnswersInTheOrderOfTimes, ["LIM-2"], "The results of an Append are in the order of their times."),
    mutant!(CutsLongPayloads, ["APP-1"], "A payload is cut after 4 KiB."),
    mutant!(TruncatesPayloadsAtNul, ["APP-1"], "A payload ends at its first NUL."),
    mutant!(DropsContentType, ["APP-1"], "The content type is not kept."),
    mutant!(DropsTheLastTag, ["APP-1"], "The last tag is not kept."),
    mutant!(StaleReadAfterAppend, ["APP-2", "QRY-1"], "The first Query after an Append does not see it."),
    mutant!(OverwritesTheFirstContent, ["APP-3"], "An event appended again has the later content."),
    mutant!(WritesPartOfARefusedAppend, ["APP-4"], "The valid events of a refused Append are written."),
    mutant!(
        StopsAtADuplicate,
        ["APP-5"],
        "An Append writes the events before the first one that is there already."
    ),
    mutant!(AcceptsAnIdentityTwice, ["APP-6"], "The second event with an identity is dropped, not refused."),
    mutant!(TornAppend, ["APP-7"], "An Append is written in two halves.").racy(),
    mutant!(
        ReadsBehindRunningAppends,
        ["APP-2", "QRY-1"],
        "A Query reads a snapshot from before the oldest Append that still runs."
    )
    .racy(),
    mutant!(
        PositionsBeforeTheCommit,
        ["TAIL-1", "QRY-11", "TAIL-3"],
        "A position is given before the commit, so that a reader passes over events that are not visible yet."
    )
    .racy(),
    mutant!(DuplicatesAreNew, ["APP-8"], "No event is reported as a duplicate."),
    mutant!(
        ComparesIdsAlone,
        ["APP-8"],
        "An event is a duplicate if its id occurred at any time, in any series."
    ),
    mutant!(DuplicateFailsTheAppend, ["APP-8", "APP-5"], "An Append with a duplicate fails."),
    mutant!(UnsweptIsADuplicate, ["APP-8", "ACC-2"], "An expired event that was not swept is a duplicate."),
    mutant!(FoldsCaseOfIds, ["APP-9"], "Ids are kept in lower case."),
    mutant!(FoldsCaseOfSeries, ["APP-9", "ISO-1"], "Series are compared without their case."),
    mutant!(TrimsSeries, ["APP-9", "ISO-1"], "Spaces around a series' name are not kept."),
    mutant!(FoldsCaseOfTags, ["APP-9", "APP-1"], "Values of tags are kept in lower case."),
    mutant!(
        WritesAllToTheFirstSeries,
        ["APP-10"],
        "All events of an Append go to the series of the first one."
    ),
    mutant!(SortsAnAppendByTime, ["APP-11"], "The events of an Append are written by time."),
    mutant!(ReversesAnAppend, ["APP-11"], "The events of an Append are written backwards."),
    mutant!(IgnoresTheWindow, ["ACC-1"], "Every time is accepted."),
    mutant!(WindowEndsATickEarly, ["ACC-1"], "The ends of the window are outside."),
    mutant!(WindowEndsATickLate, ["ACC-1"], "The window is a microsecond too wide at both ends."),
    mutant!(LimitsThePastOnly, ["ACC-1"], "Every later time is accepted."),
    mutant!(
        RefusesDuplicatesOutside,
        ["ACC-2"],
        "An event that is there already is refused outside the window."
    ),
    mutant!(
        AcceptsAllBesideADuplicate,
        ["ACC-2", "ACC-1"],
        "An Append with a duplicate is accepted whatever its other times are."
    ),
];
