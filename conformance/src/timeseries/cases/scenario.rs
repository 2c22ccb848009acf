//! Scenarios: operation sequences whose transcript is the same on every store, one golden file each.

use super::support::{
    DELETE, DETECTS_DUPLICATES, HISTOGRAM, LIST_SERIES, MANUAL_CLOCK, NAMESPACE_TAIL, OPEN_WINDOWS, POLICIES,
    RESTART, SWEEP,
};
use crate::core::scenario::scenarios;
use crate::timeseries::Case;
use crate::timeseries::scenario::check;

scenarios! {
    "timeseries/scenarios", "timeseries/transcripts";
    "a_day_of_a_sensor", "Readings come in and out of order, a late one among them; queries go by time, a Tail by arrival.",
        ["APP-1", "APP-10", "QRY-1", "QRY-3", "QRY-6", "TAIL-1", "TAIL-2", "ISO-1"], [POLICIES, OPEN_WINDOWS];
    "answers_cut_and_resumed", "An answer that is cut goes on with its token, a Tail with its own, and a Tail after a Query leaves no gap.",
        ["QRY-1", "QRY-4", "QRY-5", "QRY-11", "TAIL-3"], [POLICIES];
    "events_sent_twice", "An event that is sent again is a duplicate, and its first content stays.",
        ["APP-3", "APP-8", "QRY-1", "TAIL-1"], [DETECTS_DUPLICATES, POLICIES];
    "an_hour_of_retention", "Events are accepted in their window, expire with their retention, and expire the tokens before them.",
        ["ACC-1", "APP-4", "RET-1", "RET-2", "TAIL-6", "QRY-1"], [POLICIES, MANUAL_CLOCK, SWEEP];
    "a_fleet_tidied", "Series are listed by prefix, counted by the hour, and deleted by range; what is deleted can be written anew.",
        ["SER-1", "HIS-1", "DEL-1", "DEL-2", "DEL-3", "TAIL-9"], [LIST_SERIES, HISTOGRAM, DELETE, NAMESPACE_TAIL, POLICIES, OPEN_WINDOWS];
    "after_a_restart", "A store that was stopped answers as before: events, their order, and tokens.",
        ["DUR-1", "QRY-10", "TAIL-2", "TAIL-3"], [RESTART, POLICIES];
}
