//! Options by name: a descriptor set, decoded once into maps.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::Duration;

use prost::{DecodeError, Message, UnknownEnumValue};

use super::descriptor::{
    Field, FieldExtensions, File, FileSet, MessageExtensions, MessageType, Method, Service,
};
use super::{FieldOptions, MessageOptions, MethodOptions, Rule};
use crate::FILE_DESCRIPTOR_SET;

/// The custom options of every message, field and method of a descriptor set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    methods: BTreeMap<String, MethodOptions>,
    messages: BTreeMap<String, MessageSchema>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct MessageSchema {
    options: MessageOptions,
    fields: BTreeMap<String, FieldOptions>,
}

/// Why a descriptor set's options could not be read.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SchemaError {
    /// The bytes are not a `google.protobuf.FileDescriptorSet`.
    #[error("not a descriptor set: {0}")]
    Malformed(#[from] DecodeError),
    /// An option holds an enum number this version does not know.
    #[error("unknown enum value in the options of {place}: {source}")]
    UnknownValue {
        /// The message or field that carries the option.
        place: String,
        /// The number.
        source: UnknownEnumValue,
    },
    /// A validation is none of the rules that options.proto lists.
    #[error("unknown validation `{rule}` on {place}; the rules are listed in prism/options.proto")]
    UnknownRule {
        /// The field that carries the rule.
        place: String,
        /// The rule as written.
        rule: String,
    },
}

impl Schema {
    /// The schema of Prism's own APIs, decoded on first use from [`FILE_DESCRIPTOR_SET`].
    pub fn prism() -> &'static Self {
        static PRISM: LazyLock<Schema> = LazyLock::new(|| {
            Schema::decode(FILE_DESCRIPTOR_SET).expect("a test decodes the committed descriptor set")
        });
        &PRISM
    }

    /// Reads the options of an encoded `google.protobuf.FileDescriptorSet`, such as one `buf build` writes for a
    /// schema that imports `prism/options.proto`.
    pub fn decode(descriptor_set: &[u8]) -> Result<Self, SchemaError> {
        let mut schema = Self::default();
        for File { package, message_type, service } in FileSet::decode(descriptor_set)?.file {
            for message in message_type {
                schema.add_message(&package, message)?;
            }
            for service in service {
                schema.add_service(&package, service);
            }
        }
        Ok(schema)
    }

    /// A method's options by its full name, `package.Service/Method`, with or without a leading slash.
    pub fn method(&self, name: &str) -> Option<&MethodOptions> {
        self.methods.get(name.strip_prefix('/').unwrap_or(name))
    }

    /// A message's options by its full name, `package.Message`.
    pub fn message(&self, name: &str) -> Option<&MessageOptions> {
        self.messages.get(name).map(|message| &message.options)
    }

    /// A field's options by its message's full name and its own.
    pub fn field(&self, message: &str, field: &str) -> Option<&FieldOptions> {
        self.messages.get(message)?.fields.get(field)
    }

    /// Every method's full name and options, ordered by name.
    pub fn methods(&self) -> impl Iterator<Item = (&str, &MethodOptions)> {
        self.methods.iter().map(|(name, options)| (name.as_str(), options))
    }

    /// Every field's message, name and options, ordered by message and name.
    pub fn fields(&self) -> impl Iterator<Item = (&str, &str, &FieldOptions)> {
        self.messages.iter().flat_map(|(message, schema)| {
            let fields = schema.fields.iter();
            fields.map(|(field, options)| (message.as_str(), field.as_str(), options))
        })
    }

    fn add_message(&mut self, scope: &str, message: MessageType) -> Result<(), SchemaError> {
        // The compiler makes it for a map field, whose options are those of the field.
        if message.options.map_entry {
            return Ok(());
        }
        let name = qualified(scope, &message.name);
        for nested in message.nested_type {
            self.add_message(&name, nested)?;
        }
        let fields = message
            .field
            .into_iter()
            .map(|Field { name: field, options }| {
                let options = field_options(options, &format!("{name}.{field}"))?;
                Ok((field, options))
            })
            .collect::<Result<_, SchemaError>>()?;
        let options = message_options(message.options, &name)?;
        self.messages.insert(name, MessageSchema { options, fields });
        Ok(())
    }

    fn add_service(&mut self, package: &str, service: Service) {
        let require_auth = service.options.require_auth;
        for Method { name, options } in service.method {
            let options = MethodOptions {
                require_auth: options.method_require_auth.or(require_auth),
                required_permissions: options.required_permissions,
                timeout: (options.timeout_ms > 0).then(|| Duration::from_millis(options.timeout_ms.into())),
                idempotent: options.idempotent,
            };
            let service = qualified(package, &service.name);
            self.methods.insert(format!("{service}/{name}"), options);
        }
    }
}

fn qualified(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

/// Fails on an enum number this version does not know: guessing at it would weaken what the schema asks for.
fn known<T: TryFrom<i32, Error = UnknownEnumValue>>(number: i32, place: &str) -> Result<T, SchemaError> {
    T::try_from(number).map_err(|source| SchemaError::UnknownValue { place: place.to_owned(), source })
}

fn message_options(from: MessageExtensions, place: &str) -> Result<MessageOptions, SchemaError> {
    Ok(MessageOptions {
        namespace: from.namespace,
        backend: from.backend,
        access_pattern: known(from.access_pattern, place)?,
        consistency: known(from.consistency, place)?,
        retention_days: from.retention_days,
        estimated_read_rps: from.estimated_read_rps,
        estimated_write_rps: from.estimated_write_rps,
        estimated_data_size_gb: from.estimated_data_size_gb,
    })
}

fn field_options(from: FieldExtensions, place: &str) -> Result<FieldOptions, SchemaError> {
    let validation = from.validation.into_iter().map(|rule| {
        parse_rule(&rule).ok_or_else(|| SchemaError::UnknownRule { place: place.to_owned(), rule })
    });
    Ok(FieldOptions {
        index: known(from.index, place)?,
        pii: known(from.pii, place)?,
        encrypt_at_rest: from.encrypt_at_rest,
        mask_in_logs: from.mask_in_logs,
        access_audit: from.access_audit,
        required: from.required,
        max_length: (from.max_length > 0).then_some(from.max_length),
        validation: validation.collect::<Result<_, _>>()?,
    })
}

/// A rule in the notation of options.proto, or `None` if it is not one.
fn parse_rule(text: &str) -> Option<Rule> {
    let (name, argument) = text.split_once(':')?;
    match name {
        "regex" => Some(Rule::Regex(argument.to_owned())),
        "min_items" => argument.parse().ok().map(Rule::MinItems),
        "max_items" => argument.parse().ok().map(Rule::MaxItems),
        "min" => argument.parse().ok().map(Rule::Min),
        "no_nul" if argument == "true" => Some(Rule::NoNul),
        _ => None,
    }
}
