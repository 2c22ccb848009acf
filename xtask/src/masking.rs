//! `Debug` for messages with `mask_in_logs` fields, so that no log line can show their values.

use std::collections::BTreeMap;
use std::fmt::Write;

use protox::prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor, OneofDescriptor};

use crate::Result;

/// The masking option.
const MASK_IN_LOGS: &str = "prism.mask_in_logs";

/// The `Debug` implementations to add to each package's generated code, and their messages.
#[derive(Default)]
pub(crate) struct Masking {
    /// Full names of the messages that must not derive `Debug`.
    pub(crate) messages: Vec<String>,
    /// Rust code by package.
    pub(crate) code: BTreeMap<String, String>,
}

impl Masking {
    /// Finds the messages of `pool` with masked fields. Masking is supported for string, bytes and map fields of top-level
    /// messages; anything else is an error rather than a leak.
    pub(crate) fn of(pool: &DescriptorPool) -> Result<Self> {
        let mut masking = Self::default();
        for message in pool.all_messages() {
            if !message.fields().any(|field| is_masked(&field)) {
                continue;
            }
            let code = masking.code.entry(message.package_name().to_owned()).or_default();
            code.push_str(&implementation(&message)?);
            masking.messages.push(message.full_name().to_owned());
        }
        Ok(masking)
    }
}

fn is_masked(field: &FieldDescriptor) -> bool {
    let pool = field.parent_pool();
    let Some(extension) = pool.get_extension_by_name(MASK_IN_LOGS) else {
        return false;
    };
    field.options().get_extension(&extension).as_bool() == Some(true)
}

fn implementation(message: &MessageDescriptor) -> Result<String> {
    if message.parent_message().is_some() {
        let name = message.full_name();
        return Err(format!("{name}: mask_in_logs works in top-level messages only").into());
    }
    let name = message.name();
    let mut code = format!(
        "impl ::core::fmt::Debug for {name} {{\n    \
         fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{\n        \
         f.debug_struct(\"{name}\")\n"
    );
    let mut alternatives = String::new();
    let mut shown = Vec::new();
    for field in message.fields() {
        let (name, value) = match real_oneof(&field) {
            // One field of the struct for all alternatives.
            Some(oneof) if shown.contains(&oneof.full_name().to_owned()) => continue,
            Some(oneof) => {
                shown.push(oneof.full_name().to_owned());
                alternatives.push_str(&oneof_implementation(message, &oneof)?);
                (oneof.name().to_owned(), format!("&self.{}", oneof.name()))
            }
            None => (field.name().to_owned(), debug_value(&field, &format!("&self.{}", field.name()))?),
        };
        writeln!(code, "            .field(\"{name}\", {value})")?;
    }
    code.push_str("            .finish()\n    }\n}\n");
    Ok(code + &alternatives)
}

/// The oneof of a field, unless the compiler made it for an `optional` field.
fn real_oneof(field: &FieldDescriptor) -> Option<OneofDescriptor> {
    field.containing_oneof().filter(|oneof| !oneof.is_synthetic())
}

/// `Debug` of the enum of a oneof, which the generator leaves out with that of its message.
fn oneof_implementation(message: &MessageDescriptor, oneof: &OneofDescriptor) -> Result<String> {
    let module = snake_case(message.name());
    let name = camel_case(oneof.name());
    let mut code = format!(
        "impl ::core::fmt::Debug for {module}::{name} {{\n    \
         fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {{\n        \
         match self {{\n"
    );
    for field in oneof.fields() {
        let variant = camel_case(field.name());
        let value = debug_value(&field, "value")?;
        writeln!(
            code,
            "            Self::{variant}(value) => f.debug_tuple(\"{variant}\").field({value}).finish(),"
        )?;
    }
    code.push_str("        }\n    }\n}\n");
    Ok(code)
}

/// The expression for a field's value in `Debug`; `place` is a reference to it.
fn debug_value(field: &FieldDescriptor, place: &str) -> Result<String> {
    if !is_masked(field) {
        return Ok(place.to_owned());
    }
    if field.is_map() {
        return Ok(format!("&crate::masked::MaskedMap({place})"));
    }
    let supported = matches!(field.kind(), Kind::String | Kind::Bytes);
    if !supported || field.containing_oneof().is_some_and(|oneof| oneof.is_synthetic()) {
        let name = field.full_name();
        return Err(format!("{name}: mask_in_logs works on string, bytes and map fields only").into());
    }
    Ok(if field.is_list() {
        format!("&crate::masked::MaskedList({place})")
    } else {
        format!("&crate::masked::Masked({place})")
    })
}

/// The generator's module name of a message. One that it names otherwise does not compile.
fn snake_case(name: &str) -> String {
    let mut snake = String::new();
    for (at, letter) in name.char_indices() {
        if at > 0 && letter.is_ascii_uppercase() {
            snake.push('_');
        }
        snake.push(letter.to_ascii_lowercase());
    }
    snake
}

/// The generator's type name of a oneof, and its variant name of a field.
fn camel_case(name: &str) -> String {
    let capital = |word: &str| {
        let (first, rest) = word.split_at(word.len().min(1));
        first.to_ascii_uppercase() + rest
    };
    name.split('_').map(capital).collect()
}

#[cfg(test)]
mod tests {
    use std::fs;

    use protox::Compiler;

    use super::Masking;
    use crate::tree;

    /// The masking of a schema with `messages` in package `p`.
    fn masking(messages: &str) -> Result<Masking, String> {
        let folder = tempfile::tempdir().unwrap();
        let source = format!("syntax = \"proto3\"; package p; import \"prism/options.proto\"; {messages}");
        fs::write(folder.path().join("p.proto"), source).unwrap();
        let mut compiler = Compiler::new([folder.path(), &tree::proto()]).unwrap();
        compiler.include_imports(true).open_file("p.proto").unwrap();
        Masking::of(&compiler.descriptor_pool()).map_err(|error| error.to_string())
    }

    #[test]
    fn only_messages_with_a_masked_field_get_a_custom_debug() {
        let masking = masking(
            "message Secret { bytes a = 1 [(prism.mask_in_logs) = true]; int32 b = 2; }
             message Plain { bytes a = 1 [(prism.mask_in_logs) = false]; Secret b = 2; }",
        )
        .unwrap();
        assert_eq!(masking.messages, ["p.Secret"]);
        assert!(masking.code["p"].contains(".field(\"a\", &crate::masked::Masked(&self.a))"));
        assert!(masking.code["p"].contains(".field(\"b\", &self.b)"));
    }

    #[test]
    fn a_map_and_an_alternative_are_masked_and_other_alternatives_are_shown() {
        let masking = masking(
            "message OfTwo { map<string, string> m = 1 [(prism.mask_in_logs) = true];
             oneof the_kind { Plain plain_one = 2; bytes token = 3 [(prism.mask_in_logs) = true]; } bool last = 4; }
             message Plain {}",
        )
        .unwrap();
        for line in [
            ".field(\"m\", &crate::masked::MaskedMap(&self.m))\n            \
             .field(\"the_kind\", &self.the_kind)\n            .field(\"last\", &self.last)\n",
            "impl ::core::fmt::Debug for of_two::TheKind {",
            "Self::PlainOne(value) => f.debug_tuple(\"PlainOne\").field(value).finish(),",
            "Self::Token(value) => f.debug_tuple(\"Token\").field(&crate::masked::Masked(value)).finish(),",
        ] {
            assert!(masking.code["p"].contains(line), "{line} is not in {}", masking.code["p"]);
        }
    }

    #[test]
    fn a_field_that_cannot_be_masked_is_an_error_rather_than_a_leak() {
        for field in [
            "int64 f = 1",
            "P f = 1",
            "oneof o { int64 f = 1 [(prism.mask_in_logs) = true]; } bool g = 2",
            "optional string f = 1",
        ] {
            let error = masking(&format!("message P {{ {field} [(prism.mask_in_logs) = true]; }}"));
            let error = error.err().expect("the field cannot be masked");
            assert!(error.starts_with("p.P.f: "), "{error}");
        }
    }

    #[test]
    fn a_masked_field_of_a_nested_message_is_an_error_rather_than_a_leak() {
        let error = masking("message P { message Q { string f = 1 [(prism.mask_in_logs) = true]; } }");
        let error = error.err().expect("the message cannot be masked");
        assert!(error.starts_with("p.P.Q: "), "{error}");
    }
}
