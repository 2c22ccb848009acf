//! Rules of namespaces: the backend and the policy of a namespace, or of all with a prefix.

use std::collections::HashSet;
use std::time::Duration;

use super::backends::is_name;
use super::names::shown_key;
use super::node::{Node, Spanned};
use super::tokens::{Mistakes, NamespaceRule, each, text};
use super::values;

/// Maximum number of owners of a namespace.
const MAX_OWNERS: usize = 32;

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
    /// The ttl of a Put without one.
    pub default_ttl: Option<Duration>,
    /// The longest ttl allowed.
    pub max_ttl: Option<Duration>,
    /// Limits, by their names in Describe; 0: that of the contract.
    pub limits: LimitsOfRule,
    /// Calls per second.
    pub rate: Rate,
    /// The teams or people to ask about the namespace.
    pub owners: Vec<String>,
}

impl Eq for Rule {}

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
    /// Gets and Scans; `None`: any number.
    pub reads: Option<f64>,
    /// Puts and Deletes; `None`: any number.
    pub writes: Option<f64>,
    /// Calls that may come at once; `None`: those of a second.
    pub burst: Option<u32>,
}

/// Parses the list of rules.
pub(super) fn read(list: &Spanned<Node>) -> Result<Vec<Rule>, Mistakes<'_>> {
    let Node::List(elements) = &list.value else {
        return Err(vec![(list, format!("is {}; a list of rules is allowed", list.value.shape()))]);
    };
    let (mut rules, mut mistakes) = (Vec::<Rule>::new(), Vec::new());
    let mut seen = HashSet::new();
    for element in elements {
        let Some(rule) = rule(element, &mut mistakes) else { continue };
        if !seen.insert(rule.namespaces.to_string()) {
            mistakes.push((element, format!("has the match of another rule, {}", rule.namespaces)));
        }
        rules.push(rule);
    }
    if mistakes.is_empty() { Ok(rules) } else { Err(mistakes) }
}

const KEYS: [&str; 8] =
    ["match", "abstraction", "backend", "default_ttl", "max_ttl", "limits", "rate", "owners"];

fn rule<'a>(element: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Option<Rule> {
    let before = mistakes.len();
    let entries = map(element, "a rule", &KEYS, mistakes)?;
    let mut namespaces = None;
    let mut rule = Rule {
        namespaces: NamespaceRule::Prefix(String::new()),
        backend: None,
        default_ttl: None,
        max_ttl: None,
        limits: LimitsOfRule::default(),
        rate: Rate::default(),
        owners: Vec::new(),
    };
    for (key, value) in entries {
        match key {
            "match" => {
                let allowed = "a namespace, or the beginning of some and *, such as orders or orders-*";
                namespaces = one(value, "match", allowed, NamespaceRule::read, mistakes);
            }
            "abstraction" => {
                let keyvalue = |text: &str| (text == "keyvalue").then_some(());
                one(
                    value,
                    "abstraction",
                    "an abstraction that this server has; write keyvalue",
                    keyvalue,
                    mistakes,
                );
            }
            "backend" => {
                let name = |text: &str| is_name(text).then(|| text.to_owned());
                rule.backend = one(value, "backend", "the name of a backend", name, mistakes);
            }
            "default_ttl" => rule.default_ttl = one(value, "default_ttl", PERIOD, values::period, mistakes),
            "max_ttl" => rule.max_ttl = one(value, "max_ttl", PERIOD, values::period, mistakes),
            "limits" => limits(value, &mut rule.limits, mistakes),
            "rate" => rate(value, &mut rule.rate, mistakes),
            _ => rule.owners = owners(value, mistakes),
        }
    }
    if namespaces.is_none() && mistakes.len() == before {
        mistakes.push((element, "needs match".to_owned()));
    }
    if let (Some(default), Some(max)) = (rule.default_ttl, rule.max_ttl)
        && default > max
    {
        mistakes.push((element, "has a default_ttl that is longer than its max_ttl".to_owned()));
    }
    rule.namespaces = namespaces?;
    (mistakes.len() == before).then_some(rule)
}

const PERIOD: &str = "a duration longer than 0; write a whole number and a unit, such as 10s, 5m, 24h or 30d";

fn limits<'a>(node: &'a Spanned<Node>, limits: &mut LimitsOfRule, mistakes: &mut Mistakes<'a>) {
    const KEYS: [&str; 5] =
        ["max_value_bytes", "max_put_items", "max_put_bytes", "max_page_items", "max_page_bytes"];
    let contract = prism_contract::keyvalue::Limits::V1;
    for (key, value) in map(node, "limits", &KEYS, mistakes).unwrap_or_default() {
        let (limit, max) = match key {
            "max_value_bytes" => (&mut limits.value_bytes, contract.value_bytes),
            "max_put_items" => (&mut limits.put_items, contract.put_items),
            "max_put_bytes" => (&mut limits.put_bytes, contract.put_bytes),
            "max_page_items" => (&mut limits.page_items, contract.page_items),
            _ => (&mut limits.page_bytes, contract.page_bytes),
        };
        let (parse, kind): (fn(&str) -> Option<u32>, _) = if key.ends_with("_bytes") {
            (values::size, "a size, such as 64KiB,")
        } else {
            (|text| text.parse().ok().filter(|number| *number > 0), "a whole number")
        };
        let Some(text) = text(value, mistakes) else { continue };
        match parse(text).filter(|limit| *limit <= max) {
            Some(parsed) => *limit = Some(parsed),
            None => mistakes
                .push((value, format!("{key}: the value is not {kind} from 1 to the contract's {max}"))),
        }
    }
}

fn rate<'a>(node: &'a Spanned<Node>, rate: &mut Rate, mistakes: &mut Mistakes<'a>) {
    let per_second = |text: &str| text.parse::<f64>().ok().filter(|number| (0.001..=1e9).contains(number));
    let allowed = "a number of calls per second, from 0.001 to 1000000000";
    for (key, value) in map(node, "rate", &["reads", "writes", "burst"], mistakes).unwrap_or_default() {
        match key {
            "reads" => rate.reads = one(value, key, allowed, per_second, mistakes),
            "writes" => rate.writes = one(value, key, allowed, per_second, mistakes),
            _ => {
                let burst = |text: &str| text.parse().ok().filter(|calls| *calls > 0);
                rate.burst = one(value, key, "a whole number from 1", burst, mistakes);
            }
        }
    }
}

fn owners<'a>(node: &'a Spanned<Node>, mistakes: &mut Mistakes<'a>) -> Vec<String> {
    let owner = |text: &str| {
        let is_owner = (1..=128).contains(&text.len()) && !text.contains(char::is_control);
        is_owner.then(|| text.to_owned())
    };
    let owners =
        each(node, mistakes, owner, "write 1 to 128 bytes without control characters").unwrap_or_default();
    if owners.len() > MAX_OWNERS {
        mistakes.push((node, format!("has {} owners; at most {MAX_OWNERS} are allowed", owners.len())));
    }
    owners
}

/// The entries of a mapping, without those that have no value.
fn map<'a>(
    node: &'a Spanned<Node>,
    what: &str,
    known: &[&'static str],
    mistakes: &mut Mistakes<'a>,
) -> Option<Vec<(&'static str, &'a Spanned<Node>)>> {
    let Node::Map(entries) = &node.value else {
        let shape = node.value.shape();
        mistakes.push((node, format!("{what} is {shape}; a mapping is allowed, with {}", known.join(", "))));
        return None;
    };
    let mut found = Vec::new();
    for (key, value) in entries {
        match known.iter().find(|known| **known == key.value) {
            Some(_) if matches!(value.value, Node::Null) => {}
            Some(known) => found.push((*known, value)),
            None => {
                let shown = shown_key(&key.value, known);
                mistakes
                    .push((value, format!("{shown} is not a key of {what}; it has {}", known.join(", "))));
            }
        }
    }
    Some(found)
}

fn one<'a, T>(
    node: &'a Spanned<Node>,
    key: &str,
    allowed: &str,
    read: impl Fn(&str) -> Option<T>,
    mistakes: &mut Mistakes<'a>,
) -> Option<T> {
    let value = read(text(node, mistakes)?);
    if value.is_none() {
        mistakes.push((node, format!("{key}: the value is not {allowed}")));
    }
    value
}
