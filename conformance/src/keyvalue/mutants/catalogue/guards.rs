//! Preconditions, priority tokens and expiry: the COND, TOK and TTL rules.

use super::{Bug, Seeded, mutant};

pub(super) const MUTANTS: &[Seeded] = &[
    mutant!(ForgetsPreconditions, ["COND-1"], "Preconditions are not looked at."),
    mutant!(
        WritesDespiteAFailedPrecondition,
        ["COND-1"],
        "The failure is answered, and the items are written."
    ),
    mutant!(AnyPreconditionSuffices, ["COND-1"], "One precondition that holds is enough."),
    mutant!(NamesOnlyTheFirstFailingPrecondition, ["COND-1"], "Only the first failing key is named."),
    mutant!(FailedPreconditionWithoutVersions, ["COND-1"], "A failing key's current version is not said."),
    mutant!(VersionAtLeastInsteadOfEqual, ["COND-1"], "A version above the one demanded will do."),
    mutant!(VersionZeroDemandsNothing, ["COND-2"], "Version 0 demands nothing."),
    mutant!(
        ExpiredItemBlocksPutIfAbsent,
        ["COND-2", "TTL-1"],
        "An expired item is not absent for preconditions."
    ),
    mutant!(NegativeVersionMeansAbsent, ["COND-2"], "A negative version demands absence."),
    mutant!(RacingCompareAndSet, ["COND-3"], "A Put checks its preconditions before it locks.").racy(),
    mutant!(
        IgnoresPreconditionsOfOtherKeys,
        ["COND-4"],
        "Preconditions of keys that are not written are not looked at."
    ),
    mutant!(AcceptsAPreconditionTwice, ["COND-4"], "A key named twice among the preconditions is taken."),
    mutant!(DeleteIgnoresPreconditions, ["COND-5"], "A Delete does not look at its preconditions."),
    mutant!(
        RacingConditionalDelete,
        ["COND-5", "COND-3"],
        "A Delete checks its preconditions before it locks."
    )
    .racy(),
    mutant!(IgnoresTokens, ["TOK-1", "TOK-3"], "Tokens are kept, and never compared."),
    mutant!(SupersededPutHasNoVersion, ["TOK-1"], "A superseded item is answered without its version."),
    mutant!(SupersededPutSaysApplied, ["TOK-1"], "A superseded item is answered as applied."),
    mutant!(DeleteIgnoresItsToken, ["TOK-1"], "A Delete does not compare its token."),
    mutant!(SupersededDeleteCounts, ["TOK-1"], "A superseded Delete counts what it left."),
    mutant!(TokenZeroClears, ["TOK-2"], "A write without a token clears the highest."),
    mutant!(TokenZeroRaises, ["TOK-2"], "A write without a token raises the highest by one."),
    mutant!(TokenZeroIsCompared, ["TOK-2"], "A write without a token is superseded by any."),
    mutant!(TokenAtLeastInsteadOfGreater, ["TOK-1", "TOK-3"], "A repeated token applies again."),
    mutant!(SupersededPutTouchesUpdatedAt, ["TOK-3"], "A repeated Put sets updated_at anew."),
    mutant!(ForgetsTombstones, ["TOK-4"], "A Delete's token is forgotten with the item."),
    mutant!(
        ForgetsTombstonesAfterADeleteWithoutToken,
        ["TOK-4"],
        "A Delete without a token forgets the token that the item had."
    ),
    mutant!(
        ForgetsTokensOfAbsentKeys,
        ["TOK-4"],
        "A Delete remembers its token only for items that it removed."
    ),
    mutant!(ExpiryForgetsTheToken, ["TOK-4"], "An item that expires takes its token along."),
    mutant!(RangeDeleteRaisesTombstones, ["TOK-4"], "A Delete by range or match_all raises tombstones too."),
    mutant!(
        SupersededDeleteRenewsTheTombstone,
        ["TOK-4"],
        "A Delete that comes too late renews the tombstone's time."
    ),
    mutant!(
        TombstoneCountsFromTheExpiry,
        ["TOK-4"],
        "A deleted item's tombstone counts from the moment at which the item would have expired."
    ),
    mutant!(RemembersATickTooLong, ["TOK-4"], "A tombstone still counts when its retention ends."),
    mutant!(ForgetsATickEarly, ["TOK-4"], "A tombstone is forgotten a microsecond early."),
    mutant!(ForgetsTombstonesAfterASecond, ["TOK-4"], "A tombstone is forgotten after a second."),
    mutant!(NeverForgetsTombstones, ["TOK-4"], "A tombstone is never forgotten."),
    mutant!(SweepForgetsTombstones, ["TOK-4"], "A sweep takes tombstones before their time."),
    mutant!(ShowsTombstones, ["TOK-5"], "Tombstones are answered as items."),
    mutant!(CountsTombstonesAsDeleted, ["TOK-5"], "A Delete counts tombstones."),
    mutant!(TombstoneBlocksPutIfAbsent, ["TOK-5", "COND-2"], "A tombstone is not absent for preconditions."),
    mutant!(AcceptsANegativeToken, ["TOK-6"], "A negative token is none."),
    mutant!(ExpiresATickEarly, ["TTL-1"], "An item expires a microsecond early."),
    mutant!(ExpiresThreeSecondsEarly, ["TTL-1"], "An item expires three seconds early."),
    mutant!(ExpiresATickLate, ["TTL-1"], "An item still lives at expires_at."),
    mutant!(ExpiresOnlyWhenSwept, ["TTL-1"], "An item lives until it is swept."),
    mutant!(GetShowsExpiredItems, ["TTL-1"], "A Get answers expired items."),
    mutant!(ScanShowsExpiredItems, ["TTL-1"], "A Scan answers expired items."),
    mutant!(CountsExpiredItemsAsDeleted, ["TTL-1", "DEL-2"], "A Delete counts expired items."),
    mutant!(KeepsTtlOnOverwrite, ["TTL-2"], "A Put without a ttl keeps the old expiry."),
    mutant!(ZeroTtlMeansForever, ["TTL-3"], "A ttl of 0 is none."),
    mutant!(NegativeTtlMeansForever, ["TTL-3"], "A negative ttl is none."),
    mutant!(
        NormalisesAMalformedTtl,
        ["TTL-3"],
        "A ttl whose nanoseconds are a second or more, or of another sign, is added up."
    ),
    mutant!(CapsAnEndlessTtl, ["TTL-3"], "A ttl past the year 9999 is shortened."),
    mutant!(RoundsATtlDown, ["TTL-3"], "A ttl is rounded down to a whole microsecond."),
    mutant!(SweepsEveryItemWithATtl, ["TTL-5"], "A sweep takes every item that has a ttl."),
    mutant!(SweepsATickEarly, ["TTL-5"], "A sweep takes what expires a microsecond later."),
];
