//! The field options of the schema, enforced exactly: for every field of every request, the last allowed value is accepted and
//! the first one beyond is refused by the field's path (PUT-6, ERR-1).

use std::collections::BTreeSet;

use prism_proto::options::Rule;
use prism_wire::status::Decoded;
use prost::Message;
use protox::prost_reflect::{DynamicMessage, FieldDescriptor, Kind, Value};
use tonic::Code;
use tonic::transport::Channel;

use crate::schema::call::call;
use crate::schema::fields::{Path, list, paths, pattern, valid};
use crate::schema::{Method, methods};
use crate::support::{Mode, Server, Steered, with_both};

/// Fields with values that only a server makes, or that name what it must have: any other one of an allowed length is refused
/// too, for another reason.
const OPAQUE: [&str; 4] = ["page_token", "resume_token", "token", "backend"];

/// Fields of a policy that only TimeSeries has.
const OF_TIMESERIES: [&str; 4] = ["retention", "accept_past", "accept_future", "partitions"];

/// A value at a border.
struct Probe {
    option: &'static str,
    /// `None`: the field is absent.
    value: Option<Value>,
    side: Side,
}

enum Side {
    Within,
    /// The field is refused, or the first element of the list; the description states the number if there is one.
    Beyond {
        element: bool,
        stating: Option<u64>,
    },
}

/// The probes of a field, and the option that they are added for.
struct Border<'a> {
    path: &'a Path,
    option: &'static str,
    probes: Vec<Probe>,
}

impl Border<'_> {
    fn of(&mut self, option: &'static str) -> &mut Self {
        self.option = option;
        self
    }

    fn within(&mut self, value: impl Into<Option<Value>>) {
        self.probes.push(Probe { option: self.option, value: value.into(), side: Side::Within });
    }

    fn beyond(&mut self, value: impl Into<Option<Value>>, stating: Option<u64>) {
        let side = Side::Beyond { element: false, stating };
        self.probes.push(Probe { option: self.option, value: value.into(), side });
    }

    fn unknown(&self) -> ! {
        panic!("{}: write the border of {} for such a field here", self.path.name(), self.option)
    }

    fn required(&mut self) {
        let field = self.path.field();
        self.within(valid(field, 0));
        match field.kind() {
            _ if field.is_list() => self.beyond(Value::List(vec![]), None),
            Kind::String => self.beyond(Value::String(String::new()), None),
            Kind::Bytes => self.beyond(Value::Bytes(vec![].into()), None),
            // A message, or a number or an enum, which is 0 where it is absent.
            _ => self.beyond(None, None),
        }
    }

    fn max_length(&mut self, max: u32) {
        let field = self.path.field();
        let max = usize::try_from(max).unwrap();
        for (length, is_within) in [(max, true), (max + 1, false)] {
            for value in of_length(field, length) {
                let value = if field.is_list() { Value::List(vec![value]) } else { value };
                let element = field.is_list();
                let stating = u64::try_from(max).ok();
                let side = if is_within { Side::Within } else { Side::Beyond { element, stating } };
                self.probes.push(Probe { option: self.option, value: Some(value), side });
            }
        }
    }

    /// Every ASCII character and some others, at every place.
    fn regex(&mut self) {
        let Some(pattern) = pattern(self.path.field()) else { self.unknown() };
        let Value::String(text) = valid(self.path.field(), 0) else { self.unknown() };
        let others = ['\u{80}', 'é', 'ſ', '\u{212a}', '１', '\u{2028}', '😀'];
        for c in ('\0'..='\u{7f}').chain(others) {
            let (start, end) = text.split_at(1);
            for text in
                [c.to_string(), format!("{c}{text}"), format!("{start}{c}{end}"), format!("{text}{c}")]
            {
                if pattern.is_match(&text) {
                    self.within(Value::String(text));
                } else {
                    self.beyond(Value::String(text), None);
                }
            }
        }
    }

    fn items(&mut self, within: u64, beyond: u64) {
        if !self.path.field().is_list() && !self.path.field().is_map() {
            self.unknown();
        }
        self.within(list(self.path.field(), within, 0));
        self.beyond(list(self.path.field(), beyond, 0), Some(within));
    }

    fn min(&mut self, min: i64) {
        let duration = |seconds: i64, nanos: i64, field: &FieldDescriptor| {
            let Kind::Message(message) = field.kind() else { unreachable!("the caller knows its kind") };
            let mut duration = DynamicMessage::new(message);
            duration.set_field_by_name("seconds", Value::I64(seconds));
            duration.set_field_by_name("nanos", Value::I32(i32::try_from(nanos).unwrap()));
            Value::Message(duration)
        };
        let field = self.path.field();
        match field.kind() {
            Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => {
                self.within(Value::I64(min));
                self.beyond(Value::I64(min - 1), None);
                self.beyond(Value::I64(i64::MIN), None);
            }
            Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => {
                let min = i32::try_from(min).unwrap();
                self.within(Value::I32(min));
                self.beyond(Value::I32(min - 1), None);
                self.beyond(Value::I32(i32::MIN), None);
            }
            Kind::Uint32 | Kind::Fixed32 => {
                let min = u32::try_from(min).unwrap();
                self.within(Value::U32(min));
                self.beyond(Value::U32(min - 1), None);
            }
            Kind::Uint64 | Kind::Fixed64 => {
                let min = u64::try_from(min).unwrap();
                self.within(Value::U64(min));
                self.beyond(Value::U64(min - 1), None);
            }
            // Microseconds, rounded up.
            Kind::Message(message) if message.full_name() == "google.protobuf.Duration" => {
                let at = |nanos: i64| duration(nanos / 1_000_000_000, nanos % 1_000_000_000, field);
                self.within(at(min * 1_000));
                // A bucket is in whole microseconds, and no duration is negative.
                if min > 0 && field.name() != "bucket" {
                    self.within(at((min - 1) * 1_000 + 1));
                }
                self.beyond(at((min - 1) * 1_000), None);
                self.beyond(duration(-1, 0, field), None);
                self.beyond(duration(i64::MIN, 0, field), None);
            }
            _ => self.unknown(),
        }
    }

    fn no_nul(&mut self) {
        let Value::String(text) = valid(self.path.field(), 0) else { self.unknown() };
        for near in ['\u{1}', '\u{7f}', '\u{80}', '\u{2400}'] {
            self.within(Value::String(format!("{near}{text}{near}")));
        }
        for text in ["\0".to_owned(), format!("\0{text}"), format!("{text}\0"), format!("{text}\0{text}")] {
            self.beyond(Value::String(text), None);
        }
    }
}

/// Values of `length` bytes that keep the field's pattern: for a text without one also of two-byte characters, since a limit
/// counts bytes.
fn of_length(field: &FieldDescriptor, length: usize) -> Vec<Value> {
    if matches!(field.kind(), Kind::Bytes) {
        return vec![Value::Bytes(vec![0xff; length].into())];
    }
    let mut texts = vec!["a".repeat(length), "0".repeat(length), "A".repeat(length)];
    match pattern(field) {
        Some(pattern) => texts.retain(|text| pattern.is_match(text)),
        None => texts[1] = format!("{}{}", "a".repeat(length % 2), "é".repeat(length / 2)),
    }
    assert!(!texts.is_empty(), "{}: write a text of {length} bytes here", field.full_name());
    texts.truncate(2);
    texts.into_iter().map(Value::String).collect()
}

/// The probes of all options of a field.
fn probes(path: &Path) -> Vec<Probe> {
    let options = path.options();
    let mut border = Border { path, option: "", probes: Vec::new() };
    if options.required {
        border.of("required").required();
    }
    if let Some(max) = options.max_length {
        border.of("max_length").max_length(max);
    }
    for rule in &options.validation {
        match rule {
            Rule::Regex(_) => border.of("regex").regex(),
            Rule::MinItems(min) => border.of("min_items").items(*min, min - 1),
            Rule::MaxItems(max) => border.of("max_items").items(*max, max + 1),
            Rule::Min(min) => border.of("min").min(*min),
            Rule::NoNul => border.of("no_nul").no_nul(),
        }
    }
    border.probes
}

/// Whether a call is refused for the state of the data, although its request is valid.
fn is_valid(refused: Code) -> bool {
    matches!(refused, Code::FailedPrecondition | Code::NotFound | Code::AlreadyExists | Code::Unimplemented)
}

/// What is wrong with the answer to a probe.
async fn fault(channel: &Channel, method: &Method, path: &Path, probe: Probe) -> Option<String> {
    let mut request = method.valid();
    path.set(&mut request, probe.value);
    let is_of_timeseries = OF_TIMESERIES.contains(&path.field().name());
    if is_of_timeseries {
        let mut of_namespace = paths(&method.request).into_iter();
        let abstraction = of_namespace.find(|path| path.name() == "namespace.abstraction");
        abstraction.expect("a namespace has one").set(&mut request, Some(Value::EnumNumber(2)));
    }
    let answer = call(channel, &method.name, request.encode_to_vec().into(), &[]).await;
    let answer = answer.map_err(|status| Decoded::from_status(&status));
    let is_opaque = OPAQUE.contains(&path.field().name());
    let is_right = match (&probe.side, &answer) {
        (Side::Within, Ok(_)) => true,
        (Side::Within, Err(refused)) if is_opaque => {
            let max = path.options().max_length.unwrap_or_default().to_string();
            refused.violations.iter().all(|violation| !violation.description.contains(&max))
        }
        // A policy is checked as a whole: it may lack what such a value needs.
        (Side::Within, Err(refused)) if is_of_timeseries && !is_valid(refused.code) => {
            refused.code == Code::InvalidArgument
                && refused.violations.iter().all(|violation| violation.field != path.name())
        }
        (Side::Within, Err(refused)) => is_valid(refused.code),
        (Side::Beyond { element, stating }, Err(refused)) => {
            let field = if *element { format!("{}[0]", path.name()) } else { path.name() };
            (refused.code, &*refused.reason) == (Code::InvalidArgument, "INVALID_REQUEST")
                && matches!(&refused.violations[..], [only] if only.field == field
                    && stating.is_none_or(|number| only.description.contains(&number.to_string())))
        }
        (Side::Beyond { .. }, Ok(_)) => false,
    };
    let side = match probe.side {
        Side::Within => "within",
        Side::Beyond { .. } => "beyond",
    };
    let answer = answer.map(|_| "OK");
    (!is_right).then(|| format!("{}: {}, {side} {}: {answer:?}", method.name, path.name(), probe.option))
}

#[tokio::test]
async fn every_field_option_is_enforced_at_its_border_and_not_before() {
    let server = Server::start_with(with_both(Steered::new(Mode::Works)), |_| {}).await;
    let channel = server.channel().await;
    let (mut faults, mut probed) = (Vec::new(), BTreeSet::new());
    for method in methods() {
        for path in paths(&method.request) {
            for probe in probes(&path) {
                probed.insert((probe.option, path.name()));
                faults.extend(fault(&channel, &method, &path, probe).await);
            }
        }
    }
    assert!(faults.is_empty(), "{}", faults.join("\n"));
    // One field of each option, and of each kind of way to it: the walk has found them.
    for (option, path) in [
        ("required", "predicate"),
        ("max_length", "items[0].metadata.content_type"),
        ("max_length", "predicate.match_keys.keys"),
        ("regex", "namespace"),
        ("min_items", "items"),
        ("max_items", "predicate.match_keys.keys"),
        ("min", "preconditions[0].version"),
        ("min", "ttl"),
        ("no_nul", "id"),
        ("max_length", "namespace.owners"),
        ("min", "namespace.policy.max_ttl"),
        ("min", "namespace.policy.accept_past"),
        ("max_items", "events"),
        ("max_items", "events[0].event.tags"),
        ("max_length", "events[0].event.payload"),
        ("required", "events[0].event"),
        ("max_length", "token"),
    ] {
        assert!(probed.contains(&(option, path.to_owned())), "{option} of {path} was not probed");
    }
}

#[tokio::test]
async fn every_method_has_a_valid_request() {
    let server = Server::start_with(with_both(Steered::new(Mode::Works)), |_| {}).await;
    let channel = server.channel().await;
    for method in methods() {
        let request = method.valid().encode_to_vec();
        let answer = call(&channel, &method.name, request.into(), &[]).await;
        let valid = answer.as_ref().map_or_else(|status| is_valid(status.code()), |_| true);
        assert!(valid, "{}: {answer:?}", method.name);
    }
}
