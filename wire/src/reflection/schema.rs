//! The schema behind reflection: files in their compiled bytes, and an index of symbols and extensions.

use std::collections::{BTreeSet, HashMap, HashSet};

use bytes::Bytes;
use prost::Message;
use prost_types::{DescriptorProto, EnumDescriptorProto, FieldDescriptorProto, FileDescriptorProto};

use super::SchemaError;

/// The directory of the `google.rpc` files in other schemas; tonic's set names them without one.
const RPC: &str = "google/rpc/";

/// A schema with lookup by name.
#[derive(Debug, Default)]
pub struct Schema {
    files: HashMap<String, File>,
    services: BTreeSet<String>,
    /// The file of each symbol.
    symbols: HashMap<String, String>,
    /// The file of each extension, by extended type and number.
    extensions: HashMap<String, HashMap<i32, String>>,
}

/// A file in the bytes of its set: decoding and encoding it again would lose its custom options, which are unknown fields.
#[derive(Debug)]
struct File {
    bytes: Bytes,
    imports: Vec<String>,
}

/// A `google.protobuf.FileDescriptorSet` with its files left encoded.
#[derive(Clone, PartialEq, Message)]
struct Set {
    #[prost(bytes = "bytes", repeated, tag = "1")]
    file: Vec<Bytes>,
}

impl Schema {
    /// The schema of `sets`, and of the `google.rpc` messages in `rpc`. Of files with the same name the first is used.
    pub(super) fn of(sets: &[&[u8]], rpc: &[u8]) -> Result<Self, SchemaError> {
        let mut schema = Self::default();
        for set in sets {
            for bytes in Set::decode(*set)?.file {
                let file = FileDescriptorProto::decode(bytes.clone())?;
                schema.add(file, bytes);
            }
        }
        for bytes in Set::decode(rpc)?.file {
            let mut file = FileDescriptorProto::decode(bytes.clone())?;
            if file.package() == "google.rpc" {
                // No custom options to lose here.
                file.name = Some(format!("{RPC}{}", file.name().trim_start_matches(RPC)));
                let bytes = file.encode_to_vec().into();
                schema.add(file, bytes);
            } else {
                schema.add(file, bytes);
            }
        }
        schema.complete()
    }

    fn complete(self) -> Result<Self, SchemaError> {
        for (name, file) in &self.files {
            if let Some(import) = file.imports.iter().find(|import| !self.files.contains_key(*import)) {
                return Err(SchemaError::Import { file: name.clone(), import: import.clone() });
            }
        }
        Ok(self)
    }

    fn add(&mut self, file: FileDescriptorProto, bytes: Bytes) {
        let name = file.name().to_owned();
        if self.files.contains_key(&name) {
            return;
        }
        let package = file.package();
        for message in &file.message_type {
            self.message(&name, package, message);
        }
        for choice in &file.enum_type {
            self.choice(&name, package, choice);
        }
        for extension in &file.extension {
            self.extension(&name, package, extension);
        }
        for service in &file.service {
            let service_name = within(package, service.name());
            for method in &service.method {
                self.symbol(&name, within(&service_name, method.name()));
            }
            self.services.insert(service_name.clone());
            self.symbol(&name, service_name);
        }
        self.files.insert(name, File { bytes, imports: file.dependency });
    }

    fn symbol(&mut self, file: &str, symbol: String) {
        self.symbols.insert(symbol, file.to_owned());
    }

    fn message(&mut self, file: &str, scope: &str, message: &DescriptorProto) {
        let name = within(scope, message.name());
        for nested in &message.nested_type {
            self.message(file, &name, nested);
        }
        for choice in &message.enum_type {
            self.choice(file, &name, choice);
        }
        for extension in &message.extension {
            self.extension(file, &name, extension);
        }
        for field in &message.field {
            self.symbol(file, within(&name, field.name()));
        }
        for oneof in &message.oneof_decl {
            self.symbol(file, within(&name, oneof.name()));
        }
        self.symbol(file, name);
    }

    /// The values of an enum are in the enum's scope, not within the enum.
    fn choice(&mut self, file: &str, scope: &str, choice: &EnumDescriptorProto) {
        for value in &choice.value {
            self.symbol(file, within(scope, value.name()));
        }
        self.symbol(file, within(scope, choice.name()));
    }

    fn extension(&mut self, file: &str, scope: &str, extension: &FieldDescriptorProto) {
        let extended = extension.extendee().trim_start_matches('.').to_owned();
        self.extensions.entry(extended).or_default().insert(extension.number(), file.to_owned());
        self.symbol(file, within(scope, extension.name()));
    }

    /// The services in name order.
    pub(super) fn services(&self) -> impl Iterator<Item = &str> {
        self.services.iter().map(String::as_str)
    }

    /// The name of this file, if it exists.
    pub(super) fn file(&self, name: &str) -> Option<&str> {
        self.files.get_key_value(name).map(|(name, _)| name.as_str())
    }

    /// The name of the file that declares a symbol: a package's message, field, enum, value, extension, service or method.
    pub(super) fn file_of_symbol(&self, symbol: &str) -> Option<&str> {
        self.symbols.get(symbol).map(String::as_str)
    }

    /// The name of the file that declares the extension of this number.
    pub(super) fn file_of_extension(&self, extended: &str, number: i32) -> Option<&str> {
        self.extensions.get(extended)?.get(&number).map(String::as_str)
    }

    /// The numbers of a type's extensions, in order; `None` if there is no such type.
    pub(super) fn extension_numbers(&self, extended: &str) -> Option<Vec<i32>> {
        self.symbols.get(extended)?;
        let numbers = self.extensions.get(extended).into_iter().flat_map(HashMap::keys).copied();
        let mut numbers: Vec<_> = numbers.collect();
        numbers.sort_unstable();
        Some(numbers)
    }

    /// The bytes of a file, followed by those of its direct and transitive imports that are not in `sent`; adds all to
    /// `sent`.
    pub(super) fn with_imports(&self, name: &str, sent: &mut HashSet<String>) -> Vec<Vec<u8>> {
        let (mut files, mut next) = (Vec::new(), vec![name]);
        while let Some(name) = next.pop() {
            // The requested file is sent even if it was sent before: the client may not have kept it.
            let is_new = sent.insert(name.to_owned());
            let Some(file) = self.files.get(name).filter(|_| is_new || files.is_empty()) else { continue };
            files.push(file.bytes.to_vec());
            next.extend(file.imports.iter().map(String::as_str));
        }
        files
    }
}

fn within(scope: &str, name: &str) -> String {
    if scope.is_empty() { name.to_owned() } else { format!("{scope}.{name}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn schema() -> Schema {
        Schema::of(&[prism_proto::FILE_DESCRIPTOR_SET], tonic_types::pb::FILE_DESCRIPTOR_SET).unwrap()
    }

    fn names(files: &[Vec<u8>]) -> Vec<String> {
        let name = |bytes: &Vec<u8>| FileDescriptorProto::decode(bytes.as_slice()).unwrap().name().to_owned();
        files.iter().map(name).collect()
    }

    #[test]
    fn every_kind_of_symbol_is_found() {
        let schema = schema();
        let types = Some("prism/keyvalue/v1/types.proto");
        for (symbol, file) in [
            ("prism.keyvalue.v1.MatchRange", types),
            ("prism.keyvalue.v1.MatchRange.start", types),
            ("prism.keyvalue.v1.KeyPredicate.predicate", types),
            ("prism.keyvalue.v1.KeyValueService", Some("prism/keyvalue/v1/keyvalue.proto")),
            ("prism.keyvalue.v1.KeyValueService.Put", Some("prism/keyvalue/v1/keyvalue.proto")),
            ("prism.PII_KIND_OPAQUE", Some("prism/options.proto")),
            ("prism.access_pattern", Some("prism/options.proto")),
            ("google.rpc.BadRequest.FieldViolation", Some("google/rpc/error_details.proto")),
            ("google.rpc.Status", Some("google/rpc/status.proto")),
            ("google.protobuf.Any", Some("google/protobuf/any.proto")),
            ("prism.PiiKind.PII_KIND_OPAQUE", None),
            ("prism", None),
            ("", None),
        ] {
            assert_eq!(schema.file_of_symbol(symbol), file, "{symbol}");
        }
    }

    #[test]
    fn a_file_is_sent_with_its_imports_and_an_import_once_per_stream() {
        let (schema, mut sent) = (schema(), HashSet::new());
        let first = names(&schema.with_imports("prism/common/errors.proto", &mut sent));
        assert_eq!(
            first,
            ["prism/common/errors.proto", "prism/options.proto", "google/protobuf/descriptor.proto",]
        );
        let again = names(&schema.with_imports("prism/options.proto", &mut sent));
        assert_eq!(again, ["prism/options.proto"]);
    }

    #[test]
    fn the_extensions_of_each_kind_of_options_are_known() {
        let schema = schema();
        let numbers = schema.extension_numbers("google.protobuf.MethodOptions");
        assert_eq!(numbers, Some(vec![50_301, 50_302, 50_303, 50_304]));
        assert_eq!(schema.extension_numbers("google.protobuf.Any"), Some(vec![]));
        assert_eq!(schema.extension_numbers("google.protobuf.Nothing"), None);
        let file = schema.file_of_extension("google.protobuf.MessageOptions", 50_003);
        assert_eq!(file, Some("prism/options.proto"));
        assert_eq!(schema.file_of_extension("google.protobuf.FieldOptions", 50_003), None);
    }

    #[test]
    fn custom_options_are_served_as_they_were_compiled() {
        let served: usize = schema().files.values().map(|file| file.bytes.len()).sum();
        assert!(served > prism_proto::FILE_DESCRIPTOR_SET.len() - 1_000, "{served} bytes");
    }

    #[test]
    fn a_set_that_lacks_an_import_is_refused() {
        let file = FileDescriptorProto {
            name: Some("a.proto".to_owned()),
            dependency: vec!["b.proto".to_owned()],
            ..FileDescriptorProto::default()
        };
        let set = prost_types::FileDescriptorSet { file: vec![file] }.encode_to_vec();
        let refused = Schema::of(&[&set], &[]).unwrap_err();
        assert_eq!(refused.to_string(), "a.proto imports b.proto, which no descriptor set holds");
    }
}
