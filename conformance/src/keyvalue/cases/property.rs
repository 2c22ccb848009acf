//! Properties: random operations against a model, and relations between responses.

use prism_contract::keyvalue::Capability::{ConditionalWrites, Expiry, PriorityTokens, Reverse};

use crate::core::Ability::{ManualClock, Restart};
use crate::core::Need::{self, Ability, Declares};
use crate::core::property::{Sequences, check};
use crate::core::{Kind, case};
use crate::keyvalue::Case;
use crate::keyvalue::model::Event;
use crate::keyvalue::property::{self, Mix, Weights, operations};

pub(super) const CASES: &[Case] = &[
    // Some regressions restart the store, if the harness supports it.
    case!(
        "property::regressions",
        "What once made a store part from the contract does so no more.",
        ["RT-3", "PUT-1", "DEL-1", "ORD-1", "TOK-1", "TOK-4", "TTL-1", "COND-1", "COND-2", "PAGE-1"],
        [Need::Alone],
        |c| {
            for (name, regression) in property::committed() {
                c.fresh();
                c.note(format!("replayed {name}"));
                let ops = property::within(&regression.operations, c.capabilities(), c.abilities());
                property::play(c, &ops).await?;
            }
            Ok(())
        }
    )
    .kind(Kind::Property),
    case!(
        "property::operations_agree_with_the_model",
        "Whatever is asked, in whatever order, each answer is the one that the contract gives.",
        [
            "RT-1", "RT-2", "RT-3", "RT-4", "RT-5", "RT-6", "PUT-1", "PUT-2", "PUT-3", "PUT-4", "PUT-5",
            "PUT-6", "DEL-1", "DEL-2", "DEL-3", "DEL-4", "DEL-5", "ORD-1", "ORD-2", "PRED-1", "PRED-2",
            "PRED-3", "PRED-4", "PAGE-1", "PAGE-3", "PAGE-4", "PAGE-5", "PAGE-7", "PAGE-8", "SCAN-1",
            "SCAN-2", "VER-1", "VER-2", "COND-1", "COND-2", "COND-4", "COND-5", "TOK-1", "TOK-2", "TOK-4",
            "TOK-5", "TOK-6", "TTL-1", "TTL-2", "TTL-3", "TTL-5", "ISO-1"
        ],
        |c| {
            let property = Sequences {
                case: "property::operations_agree_with_the_model",
                count: (25, 40, 20_000),
                floors: &[
                    (Event::Applied, 800),
                    (Event::Overwritten, 200),
                    (Event::Superseded, 40),
                    (Event::Held, 80),
                    (Event::Failed, 50),
                    (Event::Deleted, 150),
                    (Event::Expired, 150),
                    (Event::Read, 300),
                    (Event::Cut, 60),
                    (Event::Continued, 16),
                    (Event::Refused, 40),
                    (Event::Swept, 25),
                ],
            };
            check(c, &property, &operations(GENERAL)).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::tokens_outlive_their_items",
        "A key's highest token decides over every write, beyond the item's death and until its retention ends.",
        ["TOK-1", "TOK-2", "TOK-3", "TOK-4", "TOK-5", "TTL-1", "DEL-2"],
        [Declares(PriorityTokens)],
        |c| {
            let weights = Weights { put: 40, get: 8, delete: 25, scan: 2, advance: 12, retention: 8, ..WEIGHTS };
            let mix = Mix { weights, tokens: 0.75, ttls: 0.3, conditions: 0.05, ..NARROW };
            let property = Sequences {
                case: "property::tokens_outlive_their_items",
                count: (10, 15, 8_000),
                floors: &[
                    (Event::Applied, 300),
                    (Event::Superseded, 300),
                    (Event::Tombstone, 150),
                    (Event::Forgotten, 25),
                ],
            };
            check(c, &property, &operations(mix)).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::items_end_with_their_ttl",
        "An item is there strictly before its end and nowhere from then on, swept or not.",
        ["TTL-1", "TTL-2", "TTL-3", "TTL-5", "PUT-5", "COND-2", "DEL-2"],
        [Declares(Expiry), Ability(ManualClock)],
        |c| {
            let weights =
                Weights { put: 35, get: 25, delete: 10, scan: 8, advance: 30, retention: 0, sweep: 6, ..WEIGHTS };
            let mix = Mix { weights, ttls: 0.7, conditions: 0.3, pages: 0.1, ..NARROW };
            let property = Sequences {
                case: "property::items_end_with_their_ttl",
                count: (10, 15, 8_000),
                floors: &[(Event::Applied, 400), (Event::Expired, 200), (Event::Read, 150), (Event::Held, 40)],
            };
            check(c, &property, &operations(mix)).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::conditions_guard_every_write",
        "A write with preconditions takes effect exactly where all of them hold, and versions only rise.",
        ["COND-1", "COND-2", "COND-4", "COND-5", "VER-1", "VER-2", "PUT-3", "PUT-6", "DEL-1"],
        [Declares(ConditionalWrites)],
        |c| {
            let weights = Weights { put: 45, get: 10, delete: 25, scan: 2, advance: 6, retention: 0, ..WEIGHTS };
            let mix = Mix { weights, tokens: 0.05, ttls: 0.1, conditions: 0.75, ..NARROW };
            let property = Sequences {
                case: "property::conditions_guard_every_write",
                count: (10, 15, 8_000),
                floors: &[(Event::Held, 200), (Event::Failed, 200), (Event::Overwritten, 150), (Event::Deleted, 100)],
            };
            check(c, &property, &operations(mix)).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::pages_go_on_under_writes",
        "Pages go on where they ended, whatever is written in between.",
        ["PAGE-1", "PAGE-2", "PAGE-3", "PAGE-4", "PAGE-5", "PAGE-7", "SCAN-1", "SCAN-2", "ORD-1", "ORD-2"],
        |c| {
            let weights = Weights { put: 30, get: 45, delete: 10, scan: 20, advance: 4, retention: 0, ..WEIGHTS };
            let mix = Mix {
                keys: HOSTILE,
                spaces: &[""],
                ids: &["r", "r", "r", "ra"],
                weights,
                tokens: 0.0,
                ttls: 0.1,
                conditions: 0.0,
                pages: 0.85,
                length: (30, 60),
            };
            let property = Sequences {
                case: "property::pages_go_on_under_writes",
                count: (10, 15, 8_000),
                floors: &[(Event::Continued, 200), (Event::Cut, 200), (Event::Applied, 600), (Event::Deleted, 150)],
            };
            check(c, &property, &operations(mix)).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::restarts_change_nothing",
        "A store that was stopped in order or killed answers as if it had not been.",
        ["DUR-1", "DUR-3", "TTL-4", "PAGE-6", "VER-2", "TOK-4"],
        [Ability(Restart)],
        |c| {
            let weights = Weights { put: 35, get: 45, delete: 6, restart: 12, retention: 0, ..WEIGHTS };
            // Few records, so that results span several pages and a page token is left to resume from after a restart.
            let mix =
                Mix { weights, spaces: &[""], ids: &["r", "r", "r", "ra"], pages: 0.8, length: (30, 50), ..GENERAL };
            let property = Sequences {
                case: "property::restarts_change_nothing",
                count: (8, 10, 2_000),
                floors: &[(Event::Restarted, 100), (Event::Applied, 400), (Event::Continued, 80)],
            };
            check(c, &property, &operations(mix)).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::pages_concatenate",
        "Pages of any sizes, put together, are the answer without pages.",
        ["PAGE-1", "PAGE-4", "PAGE-5"],
        |c| {
            property::pages_concatenate(c).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::reverse_mirrors",
        "With reverse an answer is its own mirror.",
        ["ORD-2"],
        [Declares(Reverse)],
        |c| {
            property::reverse_mirrors(c).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::predicates_filter",
        "What a predicate answers is what it chooses of everything, in byte order.",
        ["ORD-1", "PRED-1", "PRED-3", "PRED-4", "PAGE-8"],
        |c| {
            property::predicates_filter(c).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::scans_resume",
        "A Scan cut after any of its messages and resumed yields the rest.",
        ["SCAN-1", "PAGE-1"],
        |c| {
            property::scans_resume(c).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::records_make_the_namespace",
        "A Scan of a namespace answers its records one after the other, by the bytes of their ids.",
        ["ORD-1", "RT-4"],
        [Declares(prism_contract::keyvalue::Capability::NamespaceScan)],
        |c| {
            property::records_make_the_namespace(c).await
        }
    )
    .kind(Kind::Property),
];

/// Few keys, each confused with another by some collation, pattern or terminator.
const HOSTILE: &[&[u8]] =
    &[b"a", b"a", b"a", b"b", b"a\x00", b"A", b"%", b"\xfe", b"\xff", b"\xff\xff", b"\xc3\xa9", b"e\xcc\x81"];

const FEW: &[&[u8]] = &[b"a", b"a", b"b", b"A"];

const WEIGHTS: Weights = Weights {
    put: 40,
    get: 20,
    delete: 12,
    scan: 10,
    describe: 1,
    advance: 12,
    retention: 2,
    sweep: 3,
    restart: 0,
};

const GENERAL: Mix = Mix {
    keys: HOSTILE,
    spaces: &["", "", "", "", "b"],
    ids: &["r", "r", "r", "r", "r", "r", "ra", "R", "r "],
    weights: WEIGHTS,
    tokens: 0.35,
    ttls: 0.25,
    conditions: 0.25,
    pages: 0.35,
    length: (30, 60),
};

/// One record, few keys, and short sequences without tokens, expiry, preconditions and pages.
const NARROW: Mix = Mix {
    keys: FEW,
    spaces: &[""],
    ids: &["r"],
    weights: WEIGHTS,
    tokens: 0.0,
    ttls: 0.0,
    conditions: 0.0,
    pages: 0.0,
    length: (20, 40),
};
