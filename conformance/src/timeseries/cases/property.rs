//! Properties: random operations against the model.

use super::support::{DELETE, MANUAL_CLOCK, POLICIES, RESTART, SWEEP};
use crate::core::property::{Sequences, check};
use crate::core::{Kind, case};
use crate::timeseries::model::Event;
use crate::timeseries::policies::{FREE, KEPT};
use crate::timeseries::property::{self, Mix, Weights, operations};
use crate::timeseries::{Case, Need};

pub(super) const CASES: &[Case] = &[
    // Some regressions restart the store, if the harness supports it.
    case!(
        "property::regressions",
        "What once made a store part from the contract does so no more.",
        ["APP-3", "QRY-1", "TAIL-1"],
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
        "Whatever is asked, in whatever order, each answer is one that the contract allows.",
        [
            "APP-1", "APP-3", "APP-4", "APP-6", "APP-8", "APP-10", "APP-11", "QRY-1", "QRY-2", "QRY-3", "QRY-4",
            "QRY-5", "QRY-6", "QRY-7", "QRY-8", "QRY-11", "TAIL-1", "TAIL-2", "TAIL-3", "TAIL-9", "DEL-1",
            "DEL-2", "DEL-3", "SER-1", "HIS-1", "ISO-1"
        ],
        |c| {
            let property = Sequences {
                case: "property::operations_agree_with_the_model",
                count: (30, 40, 10_000),
                floors: &[
                    (Event::Written, 900),
                    (Event::Late, 200),
                    (Event::Duplicate, 50),
                    (Event::Read, 500),
                    (Event::Cut, 20),
                    (Event::Resumed, 10),
                    (Event::Tailed, 300),
                    (Event::Continued, 10),
                    (Event::Deleted, 50),
                    (Event::Listed, 30),
                    (Event::Counted, 5),
                ],
            };
            check(c, &property, &operations(GENERAL)).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::events_live_for_their_retention",
        "An event is accepted in its window, live strictly before its end and absent from then on, and expires tokens.",
        [
            "ACC-1", "ACC-2", "APP-3", "APP-4", "APP-8", "QRY-1", "QRY-4", "QRY-5", "QRY-11", "TAIL-1", "TAIL-3",
            "TAIL-6", "RET-1", "RET-2", "DEL-1", "DEL-3", "SER-1", "HIS-1"
        ],
        [POLICIES, MANUAL_CLOCK, SWEEP],
        |c| {
            let property = Sequences {
                case: "property::events_live_for_their_retention",
                count: (30, 40, 10_000),
                floors: &[
                    (Event::Written, 500),
                    (Event::Refused, 150),
                    (Event::Expired, 200),
                    (Event::Read, 100),
                    (Event::Tailed, 100),
                    (Event::TokenExpired, 8),
                    (Event::Swept, 30),
                ],
            };
            check(c, &property, &operations(TIMED)).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::answers_go_on_under_writes",
        "An answer that is cut goes on where it ended, whatever is appended or deleted meanwhile.",
        ["QRY-1", "QRY-4", "QRY-5", "QRY-7", "QRY-11", "TAIL-3"],
        [DELETE],
        |c| {
            let weights = Weights { append: 40, query: 50, tail: 10, delete: 6, list: 0, histogram: 0, ..WEIGHTS };
            let mix = Mix { weights, pages: 0.95, series: &["s"], length: (15, 40), ..GENERAL };
            let property = Sequences {
                case: "property::answers_go_on_under_writes",
                count: (20, 30, 8_000),
                floors: &[(Event::Written, 600), (Event::Read, 500), (Event::Cut, 300), (Event::Resumed, 300)],
            };
            check(c, &property, &operations(mix)).await
        }
    )
    .kind(Kind::Property),
    case!(
        "property::restarts_change_nothing",
        "A store that is stopped, or killed, answers as if it had not been: events, order and tokens.",
        ["DUR-1", "QRY-10", "TAIL-3", "TAIL-6"],
        [RESTART],
        |c| {
            let mix = Mix { weights: Weights { restart: 12, ..WEIGHTS }, length: (10, 25), ..GENERAL };
            let property = Sequences {
                case: "property::restarts_change_nothing",
                count: (4, 6, 2_000),
                floors: &[(Event::Restarted, 60), (Event::Written, 500), (Event::Read, 150), (Event::Tailed, 100)],
            };
            check(c, &property, &operations(mix)).await
        }
    )
    .kind(Kind::Property),
];

const WEIGHTS: Weights = Weights {
    append: 40,
    query: 22,
    tail: 20,
    list: 4,
    histogram: 4,
    delete: 6,
    advance: 0,
    sweep: 1,
    restart: 0,
};

/// Few names, so that operations meet, and names that are easily taken for one another.
const GENERAL: Mix = Mix {
    policy: FREE,
    spaces: &["", "", "b"],
    series: &["s", "s", "sa", "t"],
    minutes: &[-40, -20, -10, -10, -1, 0, 0, 1, 5],
    advances: &[1],
    weights: WEIGHTS,
    pages: 0.4,
    length: (15, 40),
};

/// Times at the ends of the window and of the retention, and beyond them.
const TIMED: Mix = Mix {
    policy: KEPT,
    spaces: &[""],
    series: &["s", "s", "t"],
    minutes: &[-31, -30, -30, -29, -20, -10, -1, 0, 1, 4, 5, 6],
    advances: &[1, 10, 29, 30, 30, 31],
    weights: Weights { tail: 34, advance: 20, sweep: 4, ..WEIGHTS },
    pages: 0.3,
    length: (15, 45),
};
