//! Order, predicates, pages and streams: the ORD, PRED, PAGE and SCAN rules.

use super::{Bug, Seeded, mutant};

pub(super) const MUTANTS: &[Seeded] = &[
    mutant!(ComparesKeysAsText, ["ORD-1"], "Keys are compared by a collation, in which a stands before B."),
    mutant!(OrdersAsSignedBytes, ["ORD-1"], "Keys are ordered as signed bytes."),
    mutant!(OrdersShorterFirst, ["ORD-1"], "Shorter keys come first."),
    mutant!(ScanFoldsCaseOfIds, ["ORD-1"], "A Scan orders ids without regard to case."),
    mutant!(ScanOrdersByInsertion, ["ORD-1"], "A Scan answers in the order in which items were written."),
    mutant!(ScanOrdersByConcatenatedText, ["ORD-1"], "A Scan orders by id and key run together."),
    mutant!(ReversesEachPageAlone, ["ORD-2"], "Pages are cut forwards, and each is turned around."),
    mutant!(
        ReverseMirrorsEachRecordAlone,
        ["ORD-2"],
        "A reversed Scan turns keys around, and leaves ids as they were."
    ),
    mutant!(
        ReverseScanBeginsAtAnAsciiId,
        ["ORD-2"],
        "A reversed Scan of a namespace begins below the ids that are not ASCII."
    ),
    mutant!(EndInclusive, ["PRED-1"], "A range includes its end."),
    mutant!(StartExclusive, ["PRED-1"], "A range leaves its start out."),
    mutant!(EmptyEndSelectsNothing, ["PRED-1"], "A range without an end selects nothing."),
    mutant!(RefusesABoundBehindTheLongestKey, ["PRED-1"], "A range's bound may be no longer than a key."),
    mutant!(
        CutsABoundToTheLengthOfAKey,
        ["PRED-1"],
        "A range's bound that is longer than a key is cut to the length of one."
    ),
    mutant!(AcceptsAnInvertedRange, ["PRED-2"], "A range whose start lies past its end is turned around."),
    mutant!(AcceptsAnEmptyRange, ["PRED-2"], "A range whose start is its end selects that key."),
    mutant!(PrefixFfWrong, ["PRED-3"], "A prefix that ends in FF ends where it starts."),
    mutant!(EmptyPrefixSelectsNothing, ["PRED-3"], "The empty prefix selects nothing."),
    mutant!(
        MatchKeysInRequestOrder,
        ["PRED-4"],
        "Named keys are answered in the order in which they were named."
    ),
    mutant!(MatchKeysRepeats, ["PRED-4"], "A key named twice is answered twice."),
    mutant!(LosesTheLastPage, ["PAGE-1"], "The last page is never offered, unless it is full."),
    mutant!(
        RepeatsTheItemAtAPageBorder,
        ["PAGE-1", "PAGE-2"],
        "A page starts with the item that the page before ended with."
    ),
    mutant!(SkipsAnItemAtAPageBorder, ["PAGE-1", "PAGE-2"], "A page leaves out its first item."),
    mutant!(PagesByOffset, ["PAGE-2"], "A page starts at a count of items, whatever was written meanwhile."),
    mutant!(TokenAtADeletedItemEndsThePages, ["PAGE-3"], "A token at a deleted item finds nothing more."),
    mutant!(TokenAtADeletedItemStartsOver, ["PAGE-3"], "A token at a deleted item starts from the first."),
    mutant!(AcceptsATokenOfAnotherMethod, ["PAGE-4"], "A Scan takes the token of a Get."),
    mutant!(AcceptsATokenOfAnotherNamespace, ["PAGE-4"], "A token of another namespace is taken."),
    mutant!(AcceptsATokenOfAnotherId, ["PAGE-4"], "A token of another id is taken."),
    mutant!(AcceptsATokenOfAnotherPredicate, ["PAGE-4"], "A token of another predicate is taken."),
    mutant!(
        AcceptsATokenOfAnotherWayToSayAll,
        ["PAGE-4"],
        "A token of match_all is taken with an empty prefix or an open range."
    ),
    mutant!(AcceptsATokenOfAnotherDirection, ["PAGE-4"], "A token of the other direction is taken."),
    mutant!(AcceptsAGarbageToken, ["PAGE-4"], "A malformed token starts from the first."),
    mutant!(BindsTokensToTheItemLimit, ["PAGE-4"], "A token is refused where item_limit is another."),
    mutant!(
        TellsAnAbsentPredicateFromMatchAll,
        ["PAGE-4"],
        "A token given without a predicate is refused with match_all."
    ),
    mutant!(
        BindsTokensToTheOrderOfKeys,
        ["PAGE-4"],
        "A token is refused where match_keys names the same keys in another order."
    ),
    mutant!(TokenOnTheLastPage, ["PAGE-5"], "A last page that is full has a token."),
    mutant!(TokensDieWithTheProcess, ["PAGE-6"], "A token is known to the process alone that gave it."),
    mutant!(IgnoresItemLimit, ["PAGE-7"], "item_limit is not looked at."),
    mutant!(IgnoresPageBytes, ["PAGE-7"], "page_size_bytes is not looked at."),
    mutant!(HugeItemStopsThePages, ["PAGE-7"], "An item larger than the page is never answered."),
    mutant!(WeighsValuesOnly, ["PAGE-7"], "An item weighs its value alone."),
    mutant!(ScanForgetsTheWeightOfIds, ["PAGE-7"], "In a Scan the bytes of ids weigh nothing."),
    mutant!(KeysOnlyWeighsValues, ["PAGE-7"], "With keys_only the values weigh all the same."),
    mutant!(RefusesALimitAboveTheMaximum, ["PAGE-7"], "An item_limit above the maximum is refused."),
    mutant!(KeysOnlyLeaksValues, ["PAGE-8"], "keys_only answers values."),
    mutant!(KeysOnlyMissesEmptyValues, ["PAGE-8"], "keys_only leaves out items whose value is empty."),
    mutant!(ScanLosesAMessageOnResume, ["SCAN-1"], "A resumed Scan loses its first message."),
    mutant!(LastScanMessageIsMissing, ["SCAN-1"], "A Scan of nothing sends no message."),
    mutant!(
        ScanWithoutARestEndsUnsaid,
        ["SCAN-1"],
        "A Scan whose rest was deleted while it was read ends without a last message."
    ),
    mutant!(ScanGivesNoTokens, ["SCAN-1"], "The messages of a Scan carry no tokens."),
    mutant!(ScanForgetsLimit, ["SCAN-2"], "A Scan's limit is not looked at."),
    mutant!(ScanLimitEndsWithoutAToken, ["SCAN-2"], "A Scan that its limit cut has no token."),
    mutant!(ReadsAScanBeforehand, ["SCAN-3"], "A Scan is read to its end before its first message is sent.")
        .wire(),
];
