//! Rules of namespaces: the backend and the policy of a namespace, or of all with a prefix.

use std::collections::HashSet;
use std::time::Duration;

use super::abstraction::{self, Abstraction};
use super::backends::is_name;
use super::mappings::{Mistakes, each, elements, one, values};
use super::node::{Node, Spanned};
use super::pattern::NamespaceRule;
use super::values as parse;

/// Maximum number of owners of a namespace.
pub(crate) const MAX_OWNERS: usize = 32;

/// The namespaces of the server.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Namespaces {
    /// Whether namespaces without a rule are served.
    pub undeclared: Undeclared,
    /// The backend of namespaces without one; `None`: the only one.
    pub default_backend: Option<String>,
    /// The rules; an exact one comes before a prefix, and a longer prefix before a shorter one.
    pub rules: Vec<Rule>,
}

/// Whether namespaces without a rule are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Undeclared {
    /// They are, by the default backend.
    #[default]
    Allow,
    /// They are NOT_FOUND, for callers that may use them.
    Refuse,
}

/// The backend and the policy of a namespace, or of all with a prefix.
#[derive(Debug, Clone, PartialEq)]
pub struct Rule {
    /// The namespaces.
    pub namespaces: NamespaceRule,
    /// Their backend; `None`: the default one.
    pub backend: Option<String>,
    /// Their abstraction. A rule of another one than KeyValue has no ttl, no limits and no encryption.
    pub abstraction: Abstraction,
    /// The ttl of a Put without one.
    pub default_ttl: Option<Duration>,
    /// The longest ttl allowed.
    pub max_ttl: Option<Duration>,
    /// Limits below those of the contract.
    pub limits: LimitsOfRule,
    /// Calls per second.
    pub rate: Rate,
    /// Whether values and client metadata are encrypted at rest.
    pub encrypt: bool,
    /// Whether calls are audited; `None`: see [`Audit::namespaces`](super::Audit).
    pub audit: Option<bool>,
    /// The teams or people to ask about the namespace.
    pub owners: Vec<String>,
}

impl Eq for Rule {}

impl Rule {
    /// A rule without a backend and without a policy.
    pub fn new(namespaces: NamespaceRule) -> Self {
        Self {
            namespaces,
            backend: None,
            abstraction: Abstraction::default(),
            default_ttl: None,
            max_ttl: None,
            limits: LimitsOfRule::default(),
            rate: Rate::default(),
            encrypt: false,
            audit: None,
            owners: Vec::new(),
        }
    }
}

/// Limits below those of the contract; `None`: that of the contract.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct LimitsOfRule {
    /// Bytes of a value.
    pub value_bytes: Option<u32>,
    /// Items of a Put.
    pub put_items: Option<u32>,
    /// Bytes of keys and values of a Put.
    pub put_bytes: Option<u32>,
    /// Items of a page.
    pub page_items: Option<u32>,
    /// Bytes of a page.
    pub page_bytes: Option<u32>,
}

/// The calls per second of each namespace.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rate {
    /// Calls that read data; `None`: any number.
    pub reads: Option<f64>,
    /// Calls that write data; `None`: any number.
    pub writes: Option<f64>,
    /// Calls that may come at once; `None`: those of a second.
    pub burst: Option<u32>,
}

/// Parses the list of rules.
pub(super) fn read(list: &Spanned<Node>) -> Result<Vec<Rule>, Mistakes<'_>> {
    let (mut rules, mut mistakes) = (Vec::<Rule>::new(), Vec::new());
    let mut seen = HashSet::new();
    for element in elements(list, "rules")? {
        let Some(rule) = rule(element, &mut mistakes) else { continue };
        if !seen.insert(rule.namespaces.to_string()) {
            mistakes.push((element, format!("has the match of another rule, {}", rule.namespaces)));
        }
        rules.push(rule);
    }
    if mistakes.is_empty() { Ok(rules) } else { Err(mistakes) }
}

fn rule<'a>(element: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Option<Rule> {
    const NAMES: [&str; 14] = [
        "match",
        "abstraction",
        "backend",
        "default_ttl",
        "max_ttl",
        "limits",
        abstraction::KEYS[0],
        abstraction::KEYS[1],
        abstraction::KEYS[2],
        abstraction::KEYS[3],
        "rate",
        "encrypt",
        "audit",
        "owners",
    ];
    const PERIOD: &str =
        "a duration longer than 0; write a whole number and a unit, such as 10s, 5m, 24h or 30d";
    let before = mistakes.len();
    let given = set_values(element, "a rule", NAMES, mistakes)?;
    let [pattern, abstraction, backend, default_ttl, max_ttl, limits, rest @ ..] = given;
    let [retention, past, future, partitions, rate, encrypt, audit, owners] = rest;
    if pattern.is_none() {
        mistakes.push((element, "needs match; write a namespace or the beginning of some and *".to_owned()));
    }
    let namespaces = pattern.and_then(|value| {
        let allowed = "match is a namespace, or the beginning of some and *, such as orders or orders-*";
        one(value, mistakes, NamespaceRule::read_namespaces, allowed)
    });
    let of_keyvalue = [("default_ttl", default_ttl), ("max_ttl", max_ttl), ("limits", limits)];
    let of_timeseries = [retention, past, future, partitions];
    let abstraction = abstraction::read(element, abstraction, of_timeseries, of_keyvalue, mistakes);
    let backend = backend.and_then(|value| {
        let name = |text: &str| is_name(text).then(|| text.to_owned());
        one(value, mistakes, name, "backend is 1 to 64 of a-z, 0-9, '-' and '_', starting with a letter")
    });
    let [default_ttl, max_ttl] = [("default_ttl", default_ttl), ("max_ttl", max_ttl)]
        .map(|(key, value)| one(value?, mistakes, parse::period, &format!("{key} is {PERIOD}")));
    if let (Some(default), Some(max)) = (default_ttl, max_ttl)
        && default > max
    {
        mistakes.push((element, "has a default_ttl that is longer than its max_ttl".to_owned()));
    }
    let limits = limits.and_then(|value| read_limits(value, mistakes)).unwrap_or_default();
    let rate = rate.and_then(|value| read_rate(value, mistakes)).unwrap_or_default();
    let [encrypts, audit] = [("encrypt", encrypt), ("audit", audit)]
        .map(|(key, value)| one(value?, mistakes, parse::boolean, &format!("{key} is true or false")));
    if let (Some(value), Some(true), Some(Abstraction::TimeSeries(_))) = (encrypt, encrypts, &abstraction) {
        mistakes.push((value, "encryption of TimeSeries namespaces is not supported".to_owned()));
    }
    let owners = owners.map(|value| read_owners(value, mistakes)).unwrap_or_default();
    if mistakes.len() > before {
        return None;
    }
    let encrypt = encrypts.unwrap_or_default();
    Some(Rule {
        namespaces: namespaces?,
        backend,
        abstraction: abstraction?,
        default_ttl,
        max_ttl,
        limits,
        rate,
        encrypt,
        audit,
        owners,
    })
}

/// The values of a mapping with the keys `names`. A key without a value counts as unset: no policy is the default.
fn set_values<'a, const N: usize>(
    node: &'a Spanned<Node>,
    what: &str,
    names: [&str; N],
    mistakes: &mut Mistakes<'a>,
) -> Option<[Option<&'a Spanned<Node>>; N]> {
    let given = values(node, what, names, mistakes)?;
    Some(given.map(|value| value.filter(|value| !matches!(value.value, Node::Null))))
}

fn read_limits<'a>(node: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Option<LimitsOfRule> {
    const NAMES: [&str; 5] =
        ["max_value_bytes", "max_put_items", "max_put_bytes", "max_page_items", "max_page_bytes"];
    let [value_bytes, put_items, put_bytes, page_items, page_bytes] =
        set_values(node, "limits", NAMES, mistakes)?;
    let contract = prism_contract::keyvalue::Limits::V1;
    let mut limit = |key: &str, value: Option<&'a Spanned<Node>>, max: u32| {
        let (read, kind): (fn(&str) -> Option<u32>, _) = if key.ends_with("_bytes") {
            (parse::size, "a size, such as 64KiB,")
        } else {
            (|text| text.parse().ok().filter(|number| *number > 0), "a whole number")
        };
        let allowed = format!("{key} is {kind} from 1 to the contract's {max}");
        one(value?, mistakes, |text| read(text).filter(|limit| *limit <= max), &allowed)
    };
    Some(LimitsOfRule {
        value_bytes: limit("max_value_bytes", value_bytes, contract.value_bytes),
        put_items: limit("max_put_items", put_items, contract.put_items),
        put_bytes: limit("max_put_bytes", put_bytes, contract.put_bytes),
        page_items: limit("max_page_items", page_items, contract.page_items),
        page_bytes: limit("max_page_bytes", page_bytes, contract.page_bytes),
    })
}

fn read_rate<'a>(node: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Option<Rate> {
    let [reads, writes, burst] = set_values(node, "rate", ["reads", "writes", "burst"], mistakes)?;
    let [reads, writes] = [("reads", reads), ("writes", writes)].map(|(key, value)| {
        let per_second =
            |text: &str| text.parse::<f64>().ok().filter(|number| (0.001..=1e9).contains(number));
        let allowed = format!("{key} is a number of calls per second, from 0.001 to 1000000000");
        one(value?, mistakes, per_second, &allowed)
    });
    let burst = burst.and_then(|value| {
        let calls = |text: &str| text.parse().ok().filter(|calls| *calls > 0);
        one(value, mistakes, calls, "burst is a whole number from 1")
    });
    Some(Rate { reads, writes, burst })
}

/// Whether a text may be an owner.
pub(crate) fn is_owner(text: &str) -> bool {
    (1..=128).contains(&text.len()) && !text.contains(char::is_control)
}

fn read_owners<'a>(node: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Vec<String> {
    let owner = |text: &str| is_owner(text).then(|| text.to_owned());
    let owners =
        each(node, mistakes, owner, "write 1 to 128 bytes without control characters").unwrap_or_default();
    if owners.len() > MAX_OWNERS {
        mistakes.push((node, format!("has {} owners; at most {MAX_OWNERS} are allowed", owners.len())));
    }
    owners
}
