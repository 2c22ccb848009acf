//! Order, predicates, pages and streams: the ORD, PRED, PAGE and SCAN rules.

use super::{Bug, Mutant, mutant};
use crate::mutants::witness::{pages, predicates, refusals, values};

pub(super) const MUTANTS: &[Mutant] = &[
    mutant!(
        ComparesKeysAsText,
        ["ORD-1"],
        "Keys are compared by a collation, in which a stands before B.",
        values::keys
    ),
    mutant!(OrdersAsSignedBytes, ["ORD-1"], "Keys are ordered as signed bytes.", values::keys),
    mutant!(OrdersShorterFirst, ["ORD-1"], "Shorter keys come first.", values::keys),
    mutant!(ScanFoldsCaseOfIds, ["ORD-1"], "A Scan orders ids without regard to case.", pages::streams),
    mutant!(
        ScanOrdersByInsertion,
        ["ORD-1"],
        "A Scan answers in the order in which items were written.",
        pages::streams
    ),
    mutant!(
        ScanOrdersByConcatenatedText,
        ["ORD-1"],
        "A Scan orders by id and key run together.",
        pages::streams
    ),
    mutant!(
        ReversesEachPageAlone,
        ["ORD-2"],
        "Pages are cut forwards, and each is turned around.",
        pages::sizes
    ),
    mutant!(
        ReverseMirrorsEachRecordAlone,
        ["ORD-2"],
        "A reversed Scan turns keys around, and leaves ids as they were.",
        pages::streams
    ),
    mutant!(
        ReverseScanBeginsAtAnAsciiId,
        ["ORD-2"],
        "A reversed Scan of a namespace begins below the ids that are not ASCII.",
        pages::streams
    ),
    mutant!(EndInclusive, ["PRED-1"], "A range includes its end.", predicates::ranges),
    mutant!(StartExclusive, ["PRED-1"], "A range leaves its start out.", predicates::ranges),
    mutant!(
        EmptyEndSelectsNothing,
        ["PRED-1"],
        "A range without an end selects nothing.",
        predicates::ranges
    ),
    mutant!(
        RefusesABoundBehindTheLongestKey,
        ["PRED-1"],
        "A range's bound may be no longer than a key.",
        predicates::longest_bounds
    ),
    mutant!(
        CutsABoundToTheLengthOfAKey,
        ["PRED-1"],
        "A range's bound that is longer than a key is cut to the length of one.",
        predicates::longest_bounds
    ),
    mutant!(
        AcceptsAnInvertedRange,
        ["PRED-2"],
        "A range whose start lies past its end is turned around.",
        predicates::impossible_ranges
    ),
    mutant!(
        AcceptsAnEmptyRange,
        ["PRED-2"],
        "A range whose start is its end selects that key.",
        predicates::impossible_ranges
    ),
    mutant!(
        PrefixFfWrong,
        ["PRED-3"],
        "A prefix that ends in FF ends where it starts.",
        predicates::prefixes
    ),
    mutant!(EmptyPrefixSelectsNothing, ["PRED-3"], "The empty prefix selects nothing.", predicates::prefixes),
    mutant!(
        MatchKeysInRequestOrder,
        ["PRED-4"],
        "Named keys are answered in the order in which they were named.",
        predicates::named_keys
    ),
    mutant!(MatchKeysRepeats, ["PRED-4"], "A key named twice is answered twice.", predicates::named_keys),
    mutant!(LosesTheLastPage, ["PAGE-1"], "The last page is never offered, unless it is full.", pages::sizes),
    mutant!(
        RepeatsTheItemAtAPageBorder,
        ["PAGE-1", "PAGE-2"],
        "A page starts with the item that the page before ended with.",
        pages::sizes
    ),
    mutant!(
        SkipsAnItemAtAPageBorder,
        ["PAGE-1", "PAGE-2"],
        "A page leaves out its first item.",
        pages::sizes
    ),
    mutant!(
        PagesByOffset,
        ["PAGE-2"],
        "A page starts at a count of items, whatever was written meanwhile.",
        pages::with_writes_between
    ),
    mutant!(
        TokenAtADeletedItemEndsThePages,
        ["PAGE-3"],
        "A token at a deleted item finds nothing more.",
        pages::with_writes_between
    ),
    mutant!(
        TokenAtADeletedItemStartsOver,
        ["PAGE-3"],
        "A token at a deleted item starts from the first.",
        pages::with_writes_between
    ),
    mutant!(AcceptsATokenOfAnotherMethod, ["PAGE-4"], "A Scan takes the token of a Get.", pages::excluded),
    mutant!(
        AcceptsATokenOfAnotherNamespace,
        ["PAGE-4"],
        "A token of another namespace is taken.",
        pages::excluded
    ),
    mutant!(AcceptsATokenOfAnotherId, ["PAGE-4"], "A token of another id is taken.", pages::excluded),
    mutant!(
        AcceptsATokenOfAnotherPredicate,
        ["PAGE-4"],
        "A token of another predicate is taken.",
        pages::excluded
    ),
    mutant!(
        AcceptsATokenOfAnotherDirection,
        ["PAGE-4"],
        "A token of the other direction is taken.",
        pages::excluded
    ),
    mutant!(AcceptsAGarbageToken, ["PAGE-4"], "A malformed token starts from the first.", pages::excluded),
    mutant!(
        BindsTokensToTheItemLimit,
        ["PAGE-4"],
        "A token is refused where item_limit is another.",
        pages::excluded
    ),
    mutant!(TokenOnTheLastPage, ["PAGE-5"], "A last page that is full has a token.", pages::sizes),
    mutant!(
        TokensDieWithTheProcess,
        ["PAGE-6"],
        "A token is known to the process alone that gave it.",
        pages::other_processes
    ),
    mutant!(IgnoresItemLimit, ["PAGE-7"], "item_limit is not looked at.", pages::sizes),
    mutant!(IgnoresPageBytes, ["PAGE-7"], "page_size_bytes is not looked at.", pages::sizes),
    mutant!(
        HugeItemStopsThePages,
        ["PAGE-7"],
        "An item larger than the page is never answered.",
        pages::sizes
    ),
    mutant!(WeighsValuesOnly, ["PAGE-7"], "An item weighs its value alone.", pages::sizes),
    mutant!(
        ScanForgetsTheWeightOfIds,
        ["PAGE-7"],
        "In a Scan the bytes of ids weigh nothing.",
        pages::streams
    ),
    mutant!(KeysOnlyWeighsValues, ["PAGE-7"], "With keys_only the values weigh all the same.", pages::sizes),
    mutant!(
        RefusesALimitAboveTheMaximum,
        ["PAGE-7"],
        "An item_limit above the maximum is refused.",
        refusals::pages
    ),
    mutant!(KeysOnlyLeaksValues, ["PAGE-8"], "keys_only answers values.", values::values),
    mutant!(
        KeysOnlyMissesEmptyValues,
        ["PAGE-8"],
        "keys_only leaves out items whose value is empty.",
        values::values
    ),
    mutant!(ScanLosesAMessageOnResume, ["SCAN-1"], "A resumed Scan loses its first message.", pages::streams),
    mutant!(LastScanMessageIsMissing, ["SCAN-1"], "A Scan of nothing sends no message.", pages::streams),
    mutant!(ScanGivesNoTokens, ["SCAN-1"], "The messages of a Scan carry no tokens.", pages::streams),
    mutant!(ScanForgetsLimit, ["SCAN-2"], "A Scan's limit is not looked at.", pages::streams),
    mutant!(
        ScanLimitEndsWithoutAToken,
        ["SCAN-2"],
        "A Scan that its limit cut has no token.",
        pages::streams
    ),
    mutant!(
        ReadsAScanBeforehand,
        ["SCAN-3"],
        "A Scan is read to its end before its first message is sent.",
        pages::slow_reader
    )
    .wire(),
];
