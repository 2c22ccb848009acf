//! Calls with marked requests: every outcome for every secret field of every method.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::future::join_all;
use prost::Message;
use prost::encoding::{WireType, encode_key, encode_varint};
use protox::prost_reflect::{DynamicMessage, Kind, MapKey, Value};
use tonic::metadata::{KeyAndValueRef, MetadataMap};
use tonic::transport::Channel;
use tonic::{Code, Status};
use tonic_types::pb;

use crate::gateway::{ALL, ELSEWHERE, EVENTS, READER};
use crate::marks::Mark;
use crate::schema::Method;
use crate::schema::call::call;
use crate::schema::fields::{Path, paths};

/// The details that name the keys of failed preconditions to the caller that sent them, as the API documents (COND-1).
const NAMES_KEYS: [&str; 2] = ["google.rpc.PreconditionFailure", "prism.common.FailedPreconditions"];

/// Maximum times that a scenario is tried, within the log's limit of 20 equal warnings.
const ATTEMPTS: usize = 3;

/// A secret field of a method's request.
#[derive(Debug, Clone)]
pub(crate) struct Marked {
    pub(crate) method: Arc<Method>,
    pub(crate) path: Path,
    /// Of its mark.
    pub(crate) index: usize,
}

impl Marked {
    /// Whether its values are text: those of a map are.
    pub(crate) fn is_text(&self) -> bool {
        matches!(self.path.field().kind(), Kind::String) || self.path.field().is_map()
    }

    /// Sets the field to its mark, changed by `change`.
    fn set(&self, request: &mut DynamicMessage, marks: &[Mark], change: impl Fn(&mut Vec<u8>, usize)) {
        let mut bytes = marks[self.index].bytes.clone();
        let max = self.path.options().max_length.unwrap_or(1 << 20);
        change(&mut bytes, usize::try_from(max).expect("a length"));
        let value = match self.path.field().kind() {
            Kind::String => Value::String(String::from_utf8(bytes).expect("a mark of a string is one")),
            Kind::Bytes => Value::Bytes(bytes.into()),
            _ if self.path.field().is_map() => {
                let text = String::from_utf8(bytes).expect("a mark of a string is one");
                Value::Map([(MapKey::String("k".to_owned()), Value::String(text))].into())
            }
            kind => panic!("{}: write a mark of {kind:?} here", self.path.name()),
        };
        let is_list = self.path.field().is_list();
        self.path.set(request, Some(if is_list { Value::List(vec![value]) } else { value }));
    }
}

/// A kind of outcome, and how to reach it.
#[derive(Clone, Copy)]
struct Scenario {
    name: &'static str,
    /// Of the request, if it has one.
    namespace: &'static str,
    authorization: Option<&'static str>,
    timeout: Option<&'static str>,
    change: Change,
    /// The code that each method ends with, for one of its fields at least.
    wanted: Option<Code>,
}

/// What is done to a request.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Change {
    Nothing,
    /// The mark is at the start of a value that is too long.
    TooLong,
    /// The mark is the end of a string with a NUL, which is not allowed.
    Nul,
    /// Every precondition wants a version that no item has.
    Precondition,
    /// The encoded request ends early.
    Truncated,
    /// The encoded request ends with a string that is not UTF-8, and holds the mark.
    NotUtf8,
    /// The encoded request is larger than the server reads.
    TooLarge,
    /// The client cancels the call.
    Cancelled,
}

const SCENARIOS: [Scenario; 17] = {
    const fn to(name: &'static str, namespace: &'static str, wanted: Code) -> Scenario {
        Scenario {
            name,
            namespace,
            authorization: Some(ALL),
            timeout: None,
            change: Change::Nothing,
            wanted: Some(wanted),
        }
    }
    const fn by(name: &'static str, authorization: Option<&'static str>, wanted: Code) -> Scenario {
        Scenario { authorization, ..to(name, "n", wanted) }
    }
    const fn changed(name: &'static str, change: Change, wanted: Code) -> Scenario {
        Scenario { change, ..to(name, "n", wanted) }
    }
    [
        to("that succeeds", "n", Code::Ok),
        to("in an invalid namespace", "N!", Code::InvalidArgument),
        to("in a namespace that is not served", "absent", Code::NotFound),
        to("whose backend fails", "fails", Code::Unavailable),
        to("whose backend has a bug", "breaks", Code::Internal),
        to("whose backend panics", "panics", Code::Internal),
        Scenario { timeout: Some("1S"), ..to("that takes too long", "hangs", Code::DeadlineExceeded) },
        Scenario {
            change: Change::Cancelled,
            wanted: None,
            ..to("that its client cancels", "hangs", Code::Cancelled)
        },
        Scenario { wanted: None, ..by("of a reader", Some(READER), Code::PermissionDenied) },
        by("of a caller of other namespaces", Some(ELSEWHERE), Code::PermissionDenied),
        by("without a token", None, Code::Unauthenticated),
        changed("with a value that is too long", Change::TooLong, Code::InvalidArgument),
        changed("with a NUL", Change::Nul, Code::InvalidArgument),
        changed("whose precondition fails", Change::Precondition, Code::FailedPrecondition),
        changed("that is truncated", Change::Truncated, Code::InvalidArgument),
        changed("that is not UTF-8", Change::NotUtf8, Code::InvalidArgument),
        changed("that is too large", Change::TooLarge, Code::InvalidArgument),
    ]
};

/// How a call ended, and what it showed to its client beside data.
pub(crate) struct Outcome {
    pub(crate) method: String,
    pub(crate) scenario: &'static str,
    code: Code,
    pub(crate) shown: Vec<(String, Vec<u8>)>,
}

/// Makes all calls: each field marked alone, and all fields of a method together, in each scenario.
pub(crate) async fn make_all(channel: &Channel, fields: &[Marked], marks: &[Mark]) -> Vec<Outcome> {
    let methods: BTreeSet<_> = fields.iter().map(|field| &field.method.name).collect();
    let of_method = |name: &String| -> Vec<_> {
        let fields = fields.iter().filter(|field| field.method.name == *name);
        fields.collect()
    };
    let together = methods.into_iter().map(of_method);
    let alone = fields.iter().map(|field| vec![field]);
    let groups: Vec<_> = alone.chain(together).collect();
    let mut outcomes = Vec::new();
    for scenario in &SCENARIOS {
        // On a busy machine the client's own timer may end a call before the answer about the deadline arrives.
        for _ in 0..ATTEMPTS {
            let calls = groups.iter().filter_map(|group| {
                let request = request(scenario, group, marks)?;
                Some(make(channel, scenario, Arc::clone(&group[0].method), request))
            });
            outcomes.extend(join_all(calls).await);
            if unreached_in(scenario, fields, &outcomes).is_empty() {
                break;
            }
        }
    }
    outcomes
}

/// A request with marks in these fields of one method; `None`: the scenario is not one of theirs.
fn request(scenario: &Scenario, group: &[&Marked], marks: &[Mark]) -> Option<Vec<u8>> {
    let method = &group[0].method;
    let mut request = method.valid();
    if let Some(field) = method.request.get_field_by_name("namespace") {
        let is_of_events = method.name.starts_with("prism.timeseries.");
        let before = if is_of_events { EVENTS } else { "" };
        request.set_field(&field, Value::String(format!("{before}{}", scenario.namespace)));
    }
    let is_text = |field: &Marked| field.is_text();
    for field in group {
        match scenario.change {
            Change::TooLong => field.set(&mut request, marks, |bytes, max| bytes.resize(max + 1, b'x')),
            Change::Nul if is_text(field) => field.set(&mut request, marks, |bytes, _| bytes.insert(0, 0)),
            _ => field.set(&mut request, marks, |_, _| {}),
        }
    }
    match scenario.change {
        Change::Nul if !group.iter().any(|field| is_text(field)) => return None,
        Change::TooLarge if group.len() == 1 => return None,
        Change::Precondition => {
            let all = paths(&method.request);
            let version = all.iter().find(|path| path.name() == "preconditions[0].version")?;
            version.set(&mut request, Some(Value::I64(999)));
        }
        _ => {}
    }
    let mut bytes = request.encode_to_vec();
    match scenario.change {
        Change::Truncated => drop(bytes.pop()),
        Change::NotUtf8 => {
            let top =
                |field: &&&Marked| is_text(field) && field.path.field().parent_message() == &method.request;
            let field = group.iter().find(top)?;
            let value = [&marks[field.index].bytes[..], b"\xff"].concat();
            append(&mut bytes, field.path.field().number(), &value);
        }
        Change::TooLarge => append(&mut bytes, 1_000, &vec![0; 9 << 20]),
        Change::Nothing | Change::TooLong | Change::Nul | Change::Precondition | Change::Cancelled => {}
    }
    Some(bytes)
}

/// Appends a field to an encoded message.
fn append(message: &mut Vec<u8>, number: u32, value: &[u8]) {
    encode_key(number, WireType::LengthDelimited, message);
    encode_varint(value.len() as u64, message);
    message.extend_from_slice(value);
}

async fn make(channel: &Channel, scenario: &Scenario, method: Arc<Method>, message: Vec<u8>) -> Outcome {
    let authorization = scenario.authorization.map(|token| ("authorization", token));
    let timeout = scenario.timeout.map(|timeout| ("grpc-timeout", timeout));
    let headers: Vec<_> = authorization.into_iter().chain(timeout).collect();
    let answer = call(channel, &method.name, Bytes::from(message), &headers);
    let answer = if scenario.change == Change::Cancelled {
        let cancelled = tokio::time::timeout(Duration::from_millis(200), answer).await;
        cancelled.unwrap_or_else(|_| Err(Status::cancelled("by the test")))
    } else {
        answer.await
    };
    let (code, shown) = match answer {
        Ok(metadata) => {
            (Code::Ok, metadata.iter().map(|map| ("the metadata".to_owned(), text(map))).collect())
        }
        Err(status) => (status.code(), parts(&status)),
    };
    Outcome { method: method.name.clone(), scenario: scenario.name, code, shown }
}

/// The parts of an error.
fn parts(status: &Status) -> Vec<(String, Vec<u8>)> {
    let message = ("the message".to_owned(), status.message().as_bytes().to_vec());
    let metadata = ("the metadata".to_owned(), text(status.metadata()));
    let details = pb::Status::decode(status.details()).expect("details are a google.rpc.Status");
    let in_details = ("the message in the details".to_owned(), details.message.into_bytes());
    let details = details.details.into_iter().map(|detail| (detail.type_url, detail.value));
    let details = details.filter(|(name, _)| !NAMES_KEYS.iter().any(|known| name.ends_with(known)));
    [message, metadata, in_details].into_iter().chain(details).collect()
}

fn text(metadata: &MetadataMap) -> Vec<u8> {
    let line = |entry: KeyAndValueRef<'_>| match entry {
        KeyAndValueRef::Ascii(name, value) => {
            [name.as_str().as_bytes(), b": ", value.as_encoded_bytes(), b"\n"].concat()
        }
        KeyAndValueRef::Binary(name, value) => {
            let value = value.to_bytes().unwrap_or_default();
            [name.as_str().as_bytes(), b": ", &value, b"\n"].concat()
        }
    };
    metadata.iter().flat_map(line).collect()
}

/// The outcomes that no call had: what would show marks there was not tested.
pub(crate) fn unreached(fields: &[Marked], outcomes: &[Outcome]) -> Vec<String> {
    SCENARIOS.iter().flat_map(|scenario| unreached_in(scenario, fields, outcomes)).collect()
}

fn unreached_in(scenario: &Scenario, fields: &[Marked], outcomes: &[Outcome]) -> Vec<String> {
    let of_scenario: Vec<_> = outcomes.iter().filter(|outcome| outcome.scenario == scenario.name).collect();
    if of_scenario.is_empty() {
        return vec![format!("there was no call {}", scenario.name)];
    }
    let methods: BTreeSet<_> = fields.iter().map(|field| &field.method.name).collect();
    let mut unreached = Vec::new();
    let Some(wanted) = scenario.wanted else { return unreached };
    for method in methods {
        // A scenario may need a field that a method lacks.
        let mut ends = of_scenario.iter().filter(|outcome| outcome.method == *method).peekable();
        if ends.peek().is_some() && !ends.any(|outcome| outcome.code == wanted) {
            unreached.push(format!("no call of {method} {} ended with {wanted:?}", scenario.name));
        }
    }
    unreached
}
