//! The abstraction of a rule's namespaces, and the keys that only one abstraction has.

use std::time::Duration;

use prism_contract::timeseries::{Policy, Window};

use super::mappings::{Mistakes, one};
use super::node::{Node, Spanned};
use super::values as parse;

/// The abstraction of namespaces.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Abstraction {
    /// Records of items, by `prism.keyvalue.v1`.
    #[default]
    KeyValue,
    /// Series of events, by `prism.timeseries.v1`, with this policy.
    TimeSeries(Policy),
}

impl Abstraction {
    /// Its name in the configuration.
    pub fn name(&self) -> &'static str {
        match self {
            Self::KeyValue => KEYVALUE,
            Self::TimeSeries(_) => TIMESERIES,
        }
    }

    /// The policy of a TimeSeries namespace.
    pub fn timeseries(&self) -> Option<&Policy> {
        match self {
            Self::KeyValue => None,
            Self::TimeSeries(policy) => Some(policy),
        }
    }
}

const KEYVALUE: &str = "keyvalue";
const TIMESERIES: &str = "timeseries";

/// The keys of TimeSeries rules only.
pub(super) const KEYS: [&str; 4] = ["retention", "accept_past", "accept_future", "partitions"];

/// The values of some keys; `None`: unset.
type Given<'a, const N: usize> = [Option<&'a Spanned<Node>>; N];

/// Reads the abstraction of the rule at `element`, and the values of [`KEYS`]. `of_keyvalue` are the keys of KeyValue rules
/// only, with their values.
pub(super) fn read<'a, const N: usize>(
    element: &'a Spanned<Node>,
    abstraction: Option<&'a Spanned<Node>>,
    given: Given<'a, 4>,
    of_keyvalue: [(&str, Option<&'a Spanned<Node>>); N],
    mistakes: &mut Mistakes<'a>,
) -> Option<Abstraction> {
    let is_timeseries = abstraction.map_or(Some(false), |value| {
        let name = |text: &str| match text {
            KEYVALUE => Some(false),
            TIMESERIES => Some(true),
            _ => None,
        };
        one(value, mistakes, name, "write keyvalue or timeseries")
    })?;
    let (foreign, of, is) = if is_timeseries {
        (of_keyvalue.to_vec(), KEYVALUE, TIMESERIES)
    } else {
        (KEYS.into_iter().zip(given).collect(), TIMESERIES, KEYVALUE)
    };
    for (key, value) in foreign {
        if let Some(value) = value {
            mistakes.push((
                value,
                format!("{key} is a key of {of} rules only, and this rule's abstraction is {is}"),
            ));
        }
    }
    if is_timeseries {
        policy(element, given, mistakes).map(Abstraction::TimeSeries)
    } else {
        Some(Abstraction::KeyValue)
    }
}

/// Reads a policy, and checks its values against each other.
fn policy<'a>(
    element: &'a Spanned<Node>,
    given: Given<'a, 4>,
    mistakes: &mut Mistakes<'a>,
) -> Option<Policy> {
    let before = mistakes.len();
    let [retention, past, future, partitions] = given;
    let mut span = |key: &str, value: Option<&'a Spanned<Node>>| -> Option<Duration> {
        let allowed =
            format!("{key} is a duration; write a whole number and a unit, such as 0s, 10m, 24h or 30d");
        one(value?, mistakes, parse::duration, &allowed)
    };
    let [retention, past, future] =
        [(KEYS[0], retention), (KEYS[1], past), (KEYS[2], future)].map(|(key, value)| span(key, value));
    let partitions = partitions.map_or(Some(Policy::PARTITIONS), |value| {
        one(value, mistakes, |text| text.parse().ok(), "partitions is a whole number from 1 to 256")
    });
    if mistakes.len() > before {
        return None;
    }
    let policy = Policy { retention, window: Window { past, future }, partitions: partitions? };
    if let Err((field, why)) = policy.check() {
        let value = KEYS.into_iter().zip(given).find(|(key, _)| *key == field).and_then(|(_, value)| value);
        mistakes.push((value.unwrap_or(element), format!("{field} {why}")));
        return None;
    }
    Some(policy)
}
