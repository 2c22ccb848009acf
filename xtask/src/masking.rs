//! `Debug` for messages with `mask_in_logs` fields, so that no log line can show their values.

use std::collections::BTreeMap;
use std::fmt::Write;

use protox::prost_reflect::{DescriptorPool, FieldDescriptor, Kind, MessageDescriptor};

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
    /// Finds the messages of `pool` with masked fields. Masking is supported for string and bytes fields of top-level
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
    for field in message.fields() {
        let value = debug_value(&field)?;
        let name = field.name();
        writeln!(code, "            .field(\"{name}\", {value})")?;
    }
    code.push_str("            .finish()\n    }\n}\n");
    Ok(code)
}

/// The expression for a field's value in `Debug`.
fn debug_value(field: &FieldDescriptor) -> Result<String> {
    let name = field.name();
    if !is_masked(field) {
        return Ok(format!("&self.{name}"));
    }
    let supported = matches!(field.kind(), Kind::String | Kind::Bytes);
    if !supported || field.containing_oneof().is_some() {
        let name = field.full_name();
        return Err(format!("{name}: mask_in_logs works on string and bytes fields only").into());
    }
    Ok(if field.is_list() {
        format!("&crate::masked::MaskedList(&self.{name})")
    } else {
        format!("&crate::masked::Masked(&self.{name})")
    })
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
    fn a_field_that_cannot_be_masked_is_an_error_rather_than_a_leak() {
        for field in
            ["int64 f = 1", "P f = 1", "oneof o { string f = 1 [(prism.mask_in_logs) = true]; } bool g = 2"]
        {
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
