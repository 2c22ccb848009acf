//! Preconditions, priority tokens and expiry: the COND, TOK and TTL rules.

use super::{Bug, Mutant, mutant};
use crate::mutants::witness::{races, refusals, tokens, writes};

pub(super) const MUTANTS: &[Mutant] = &[
    mutant!(ForgetsPreconditions, ["COND-1"], "Preconditions are not looked at.", writes::preconditions),
    mutant!(
        WritesDespiteAFailedPrecondition,
        ["COND-1"],
        "The failure is answered, and the items are written.",
        writes::preconditions
    ),
    mutant!(
        AnyPreconditionSuffices,
        ["COND-1"],
        "One precondition that holds is enough.",
        writes::preconditions
    ),
    mutant!(
        NamesOnlyTheFirstFailingPrecondition,
        ["COND-1"],
        "Only the first failing key is named.",
        writes::preconditions
    ),
    mutant!(
        FailedPreconditionWithoutVersions,
        ["COND-1"],
        "A failing key's current version is not said.",
        writes::preconditions
    ),
    mutant!(
        VersionAtLeastInsteadOfEqual,
        ["COND-1"],
        "A version above the one demanded will do.",
        writes::preconditions
    ),
    mutant!(VersionZeroDemandsNothing, ["COND-2"], "Version 0 demands nothing.", writes::preconditions),
    mutant!(
        ExpiredItemBlocksPutIfAbsent,
        ["COND-2", "TTL-1"],
        "An expired item is not absent for preconditions.",
        writes::end_of_life
    ),
    mutant!(
        NegativeVersionMeansAbsent,
        ["COND-2"],
        "A negative version demands absence.",
        refusals::preconditions
    ),
    mutant!(
        RacingCompareAndSet,
        ["COND-3"],
        "A Put checks its preconditions before it locks.",
        races::compare_and_set
    )
    .racy(),
    mutant!(
        IgnoresPreconditionsOfOtherKeys,
        ["COND-4"],
        "Preconditions of keys that are not written are not looked at.",
        writes::preconditions
    ),
    mutant!(
        AcceptsAPreconditionTwice,
        ["COND-4"],
        "A key named twice among the preconditions is taken.",
        refusals::preconditions
    ),
    mutant!(
        DeleteIgnoresPreconditions,
        ["COND-5"],
        "A Delete does not look at its preconditions.",
        writes::preconditions
    ),
    mutant!(
        RacingConditionalDelete,
        ["COND-5", "COND-3"],
        "A Delete checks its preconditions before it locks.",
        races::compare_and_set
    )
    .racy(),
    mutant!(IgnoresTokens, ["TOK-1", "TOK-3"], "Tokens are kept, and never compared.", tokens::live_items),
    mutant!(
        SupersededPutHasNoVersion,
        ["TOK-1"],
        "A superseded item is answered without its version.",
        tokens::live_items
    ),
    mutant!(
        SupersededPutSaysApplied,
        ["TOK-1"],
        "A superseded item is answered as applied.",
        tokens::live_items
    ),
    mutant!(DeleteIgnoresItsToken, ["TOK-1"], "A Delete does not compare its token.", tokens::live_items),
    mutant!(
        SupersededDeleteCounts,
        ["TOK-1"],
        "A superseded Delete counts what it left.",
        tokens::live_items
    ),
    mutant!(TokenZeroClears, ["TOK-2"], "A write without a token clears the highest.", tokens::live_items),
    mutant!(
        TokenZeroRaises,
        ["TOK-2"],
        "A write without a token raises the highest by one.",
        tokens::live_items
    ),
    mutant!(
        TokenZeroIsCompared,
        ["TOK-2"],
        "A write without a token is superseded by any.",
        tokens::live_items
    ),
    mutant!(
        TokenAtLeastInsteadOfGreater,
        ["TOK-1", "TOK-3"],
        "A repeated token applies again.",
        tokens::live_items
    ),
    mutant!(
        SupersededPutTouchesUpdatedAt,
        ["TOK-3"],
        "A repeated Put sets updated_at anew.",
        tokens::live_items
    ),
    mutant!(ForgetsTombstones, ["TOK-4"], "A Delete's token is forgotten with the item.", tokens::tombstones),
    mutant!(
        ForgetsTombstonesAfterADeleteWithoutToken,
        ["TOK-4"],
        "A Delete without a token forgets the token that the item had.",
        tokens::tombstones
    ),
    mutant!(
        ForgetsTokensOfAbsentKeys,
        ["TOK-4"],
        "A Delete remembers its token only for items that it removed.",
        tokens::tombstones
    ),
    mutant!(
        ExpiryForgetsTheToken,
        ["TOK-4"],
        "An item that expires takes its token along.",
        tokens::expired_items
    ),
    mutant!(
        RangeDeleteRaisesTombstones,
        ["TOK-4"],
        "A Delete by range or match_all raises tombstones too.",
        tokens::tombstones
    ),
    mutant!(
        SupersededDeleteRenewsTheTombstone,
        ["TOK-4"],
        "A Delete that comes too late renews the tombstone's time.",
        tokens::retention
    ),
    mutant!(
        TombstoneCountsFromTheExpiry,
        ["TOK-4"],
        "A deleted item's tombstone counts from the moment at which the item would have expired.",
        tokens::retention
    ),
    mutant!(
        RemembersATickTooLong,
        ["TOK-4"],
        "A tombstone still counts when its retention ends.",
        tokens::retention
    ),
    mutant!(ForgetsATickEarly, ["TOK-4"], "A tombstone is forgotten a microsecond early.", tokens::retention),
    mutant!(NeverForgetsTombstones, ["TOK-4"], "A tombstone is never forgotten.", tokens::retention),
    mutant!(
        SweepForgetsTombstones,
        ["TOK-4"],
        "A sweep takes tombstones before their time.",
        tokens::tombstones
    ),
    mutant!(ShowsTombstones, ["TOK-5"], "Tombstones are answered as items.", tokens::tombstones),
    mutant!(CountsTombstonesAsDeleted, ["TOK-5"], "A Delete counts tombstones.", tokens::tombstones),
    mutant!(
        TombstoneBlocksPutIfAbsent,
        ["TOK-5", "COND-2"],
        "A tombstone is not absent for preconditions.",
        tokens::tombstones
    ),
    mutant!(AcceptsANegativeToken, ["TOK-6"], "A negative token is none.", refusals::puts),
    mutant!(ExpiresATickEarly, ["TTL-1"], "An item expires a microsecond early.", writes::end_of_life),
    mutant!(ExpiresATickLate, ["TTL-1"], "An item still lives at expires_at.", writes::end_of_life),
    mutant!(ExpiresOnlyWhenSwept, ["TTL-1"], "An item lives until it is swept.", writes::end_of_life),
    mutant!(GetShowsExpiredItems, ["TTL-1"], "A Get answers expired items.", writes::end_of_life),
    mutant!(ScanShowsExpiredItems, ["TTL-1"], "A Scan answers expired items.", writes::end_of_life),
    mutant!(
        CountsExpiredItemsAsDeleted,
        ["TTL-1", "DEL-2"],
        "A Delete counts expired items.",
        writes::end_of_life
    ),
    mutant!(
        KeepsTtlOnOverwrite,
        ["TTL-2"],
        "A Put without a ttl keeps the old expiry.",
        writes::cleared_expiry
    ),
    mutant!(ZeroTtlMeansForever, ["TTL-3"], "A ttl of 0 is none.", refusals::puts),
    mutant!(NegativeTtlMeansForever, ["TTL-3"], "A negative ttl is none.", refusals::puts),
    mutant!(CapsAnEndlessTtl, ["TTL-3"], "A ttl past the year 9999 is shortened.", refusals::puts),
    mutant!(RoundsATtlDown, ["TTL-3"], "A ttl is rounded down to a whole microsecond.", refusals::puts),
    mutant!(SweepsEveryItemWithATtl, ["TTL-5"], "A sweep takes every item that has a ttl.", writes::sweep),
    mutant!(
        SweepsATickEarly,
        ["TTL-5"],
        "A sweep takes what expires a microsecond later.",
        writes::end_of_life
    ),
];
