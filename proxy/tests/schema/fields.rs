//! The fields of a message at any depth, with their options, and how to set one in a valid message.

use prism_proto::options::{FieldOptions, Rule, field_options};
use protox::prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, Value};
use regex::Regex;

/// The way from a message to a field: through the first element of each list.
#[derive(Debug, Clone)]
pub(crate) struct Path(Vec<FieldDescriptor>);

/// All fields of a message and of the messages in it, those of `google.protobuf` aside. Recursive messages are entered once.
pub(crate) fn paths(message: &MessageDescriptor) -> Vec<Path> {
    let mut found = Vec::new();
    walk(message, &[], &mut found);
    found
}

fn walk(message: &MessageDescriptor, above: &[FieldDescriptor], found: &mut Vec<Path>) {
    for field in message.fields() {
        let path = [above, std::slice::from_ref(&field)].concat();
        found.push(Path(path.clone()));
        if let Kind::Message(inner) = field.kind()
            && !field.is_map()
            && inner.package_name() != "google.protobuf"
            && !path.iter().any(|field| field.parent_message() == &inner)
        {
            walk(&inner, &path, found);
        }
    }
}

impl Path {
    /// The field.
    pub(crate) fn field(&self) -> &FieldDescriptor {
        self.0.last().expect("a path has a field")
    }

    /// Its options.
    pub(crate) fn options(&self) -> &'static FieldOptions {
        let field = self.field();
        field_options(field.parent_message().full_name(), field.name()).expect("the schema has the field")
    }

    /// How errors name the field: `items[0].key`.
    pub(crate) fn name(&self) -> String {
        let (field, above) = self.0.split_last().expect("a path has a field");
        let above = above.iter().map(|field| {
            let element = if field.is_list() { "[0]" } else { "" };
            format!("{}{element}.", field.name())
        });
        above.chain([field.name().to_owned()]).collect()
    }

    /// Sets the field in `message`, or clears it. Messages on the way are made where they are absent, valid but for `value`.
    pub(crate) fn set(&self, message: &mut DynamicMessage, value: Option<Value>) {
        set(message, &self.0, value);
    }
}

fn set(message: &mut DynamicMessage, path: &[FieldDescriptor], value: Option<Value>) {
    let (field, rest) = path.split_first().expect("a path has a field");
    if rest.is_empty() {
        match value {
            Some(value) => message.set_field(field, value),
            None => message.clear_field(field),
        }
        return;
    }
    if !message.has_field(field) {
        message.set_field(field, valid(field, 0));
    }
    let inner = match message.get_field_mut(field) {
        Value::List(list) => list.first_mut().expect("a list that is set has an element"),
        value => value,
    };
    set(inner.as_message_mut().expect("fields above are messages"), rest, value);
}

/// A valid value of a field, not empty; a list has as few elements as are allowed. Other seeds make other values.
pub(crate) fn valid(field: &FieldDescriptor, seed: u64) -> Value {
    if !field.is_list() && !field.is_map() {
        return valid_element(field, seed);
    }
    let options = field_options(field.parent_message().full_name(), field.name());
    let rules = options.into_iter().flat_map(|options| &options.validation);
    let fewest = rules.filter_map(|rule| if let Rule::MinItems(count) = rule { Some(*count) } else { None });
    list(field, fewest.max().unwrap_or_default().max(1), seed)
}

/// A list or a map of valid elements, no two of them equal.
pub(crate) fn list(field: &FieldDescriptor, count: u64, seed: u64) -> Value {
    if field.is_map() {
        let entry = |seed| (MapKey::String(format!("s{seed}")), Value::String("v".to_owned()));
        return Value::Map((seed..seed + count).map(entry).collect());
    }
    Value::List((seed..seed + count).map(|seed| valid_element(field, seed)).collect())
}

fn valid_element(field: &FieldDescriptor, seed: u64) -> Value {
    match field.kind() {
        Kind::String => Value::String(text(field, seed)),
        Kind::Bytes => Value::Bytes(text(field, seed).into()),
        Kind::Message(message) => Value::Message(match (message.full_name(), field.name()) {
            // Longer than nothing, and later than the beginning of a range.
            ("google.protobuf.Duration", _) => with(&message, "seconds", Value::I64(1)),
            ("google.protobuf.Timestamp", "end") => with(&message, "nanos", Value::I32(1_000)),
            _ => valid_message(&message, seed),
        }),
        Kind::Bool => Value::Bool(true),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => Value::I32(1),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => Value::I64(1),
        Kind::Uint32 | Kind::Fixed32 => Value::U32(1),
        Kind::Uint64 | Kind::Fixed64 => Value::U64(1),
        Kind::Enum(_) => Value::EnumNumber(1),
        kind => panic!("{}: write a valid value of {kind:?} here", field.full_name()),
    }
}

fn with(message: &MessageDescriptor, field: &str, value: Value) -> DynamicMessage {
    let mut message = DynamicMessage::new(message.clone());
    message.set_field_by_name(field, value);
    message
}

/// A message with what is required, and with the first field of each oneof.
fn valid_message(message: &MessageDescriptor, seed: u64) -> DynamicMessage {
    let mut valid_message = DynamicMessage::new(message.clone());
    for field in message.fields() {
        let is_required =
            field_options(message.full_name(), field.name()).is_some_and(|field| field.required);
        let is_first = field
            .containing_oneof()
            .is_some_and(|oneof| !oneof.is_synthetic() && oneof.fields().next().as_ref() == Some(&field));
        if is_required || is_first {
            valid_message.set_field(&field, valid(&field, seed));
        }
    }
    valid_message
}

fn text(field: &FieldDescriptor, seed: u64) -> String {
    let pattern = pattern(field);
    let mut texts = [format!("s{seed}"), format!("{seed}"), format!("S{seed}")].into_iter();
    let matching = texts.find(|text| pattern.as_ref().is_none_or(|pattern| pattern.is_match(text)));
    matching.unwrap_or_else(|| panic!("{}: write a text here that its pattern matches", field.full_name()))
}

/// The pattern of a field, which matches whole texts only.
pub(crate) fn pattern(field: &FieldDescriptor) -> Option<Regex> {
    let options = field_options(field.parent_message().full_name(), field.name())?;
    let pattern = options.validation.iter().find_map(|rule| match rule {
        Rule::Regex(pattern) => Some(pattern),
        Rule::MinItems(_) | Rule::MaxItems(_) | Rule::Min(_) | Rule::NoNul => None,
    })?;
    Some(Regex::new(&format!(r"\A(?:{pattern})\z")).expect("a pattern in RE2 syntax"))
}
