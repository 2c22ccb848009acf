//! Fields of messages, and the options on fields and messages.

use protox::prost_reflect::{
    ExtensionDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, Value,
};

use super::Writer;
use crate::Result;
use crate::docs::prose::grouped;

impl Writer<'_> {
    pub(super) fn fields(&mut self, message: &MessageDescriptor) -> Result {
        if message.fields().len() == 0 {
            self.put("No fields.");
            return Ok(());
        }
        let file = message.parent_file();
        let mut table = String::from("| field | type | what it holds |\n| --- | --- | --- |\n");
        for field in message.fields() {
            let comment =
                self.prose.line(&self.comments.at(file.name(), field.path(), field.full_name())?)?;
            let options = field_options(&field)?;
            let options =
                if options.is_empty() { String::new() } else { format!("<br>*{}*", options.join(" · ")) };
            table.push_str(&format!(
                "| <a id=\"{}.{name}\"></a>`{name}` = {} | {} | {comment}{options} |\n",
                message.name(),
                field.number(),
                kind(&field),
                name = field.name(),
            ));
        }
        self.put(&table);
        for oneof in message.oneofs().filter(|oneof| !oneof.is_synthetic()) {
            let comment =
                self.prose.line(&self.comments.at(file.name(), oneof.path(), oneof.full_name())?)?;
            let names: Vec<_> = oneof.fields().map(|field| format!("`{}`", field.name())).collect();
            self.put(&format!("`oneof {}` of {}: {comment}", oneof.name(), names.join(", ")));
        }
        Ok(())
    }

    /// The options that a file defines, grouped by the extended message.
    pub(super) fn extensions(&mut self, file: &FileDescriptor) -> Result {
        let mut previous = String::new();
        let mut table = String::new();
        for extension in file.extensions() {
            let target = extension.containing_message().full_name().to_owned();
            if target != previous {
                self.put(&table);
                self.put(&format!("### On `{target}`"));
                table =
                    String::from("| option | number | type | what it says |\n| --- | --- | --- | --- |\n");
                previous = target;
            }
            let comment = self.comments.at(file.name(), extension.path(), extension.full_name())?;
            let (comment, list) = match comment.split_once("\n\n  ") {
                Some((comment, list)) => (comment.to_owned(), format!("  {list}")),
                None => (comment, String::new()),
            };
            let comment = self.prose.line(&comment)?;
            let rules = list.lines().filter_map(|line| line.trim().split_once("   "));
            let rules: Vec<_> = rules
                .map(|(rule, meaning)| Ok(format!("<br>`{rule}`: {}", self.prose.line(meaning)?)))
                .collect::<Result<_>>()?;
            let rest = list.lines().filter(|line| !line.starts_with("  ")).collect::<Vec<_>>().join(" ");
            let rest = self.prose.line(&rest)?;
            let rest = if rest.is_empty() { rest } else { format!("<br>{rest}") };
            table.push_str(&format!(
                "| `(prism.{})` | {} | {} | {comment}{}{rest} |\n",
                extension.name(),
                extension.number(),
                extension_kind(&extension),
                rules.concat(),
            ));
        }
        self.put(&table);
        Ok(())
    }
}

fn kind(field: &FieldDescriptor) -> String {
    if let Kind::Message(entry) = field.kind()
        && entry.is_map_entry()
    {
        let (key, value) = (entry.map_entry_key_field().kind(), entry.map_entry_value_field().kind());
        return format!("map of {} to {}", type_name(&key), type_name(&value));
    }
    let name = type_name(&field.kind());
    if field.is_list() { format!("repeated {name}") } else { name }
}

fn extension_kind(extension: &ExtensionDescriptor) -> String {
    let name = type_name(&extension.kind());
    if extension.is_list() { format!("repeated {name}") } else { name }
}

fn type_name(kind: &Kind) -> String {
    let (name, package) = match kind {
        Kind::Message(message) => (message.name().to_owned(), message.package_name().to_owned()),
        Kind::Enum(enumeration) => (enumeration.name().to_owned(), enumeration.package_name().to_owned()),
        scalar => return format!("`{scalar:?}`"),
    };
    if package.starts_with("prism") {
        format!("[`{name}`](#{})", name.to_lowercase())
    } else {
        format!("`{package}.{name}`")
    }
}

/// Descriptions of a field's options, in display order.
fn field_options(field: &FieldDescriptor) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    let options = field.options();
    for (extension, value) in options.extensions() {
        let set = value.as_bool() == Some(true);
        match extension.full_name() {
            "prism.required" if set => parts.push((0, "required".to_owned())),
            "prism.max_length" => {
                let each = if field.is_list() { " each" } else { "" };
                let bytes = grouped(value.as_u32().unwrap_or_default().into());
                parts.push((1, format!("at most {bytes} bytes{each}")));
            }
            "prism.validation" => {
                for rule in value.as_list().unwrap_or_default() {
                    let rule = rule.as_str().unwrap_or_default();
                    parts.push((
                        2,
                        describe_rule(rule, &field.kind()).ok_or_else(|| {
                            format!("{}: no description for the rule {rule}", field.full_name())
                        })?,
                    ));
                }
            }
            "prism.index" => {
                parts.push((3, format!("index `{}`", value_name(&extension, value, "INDEX_KIND_"))));
            }
            "prism.pii" => {
                parts.push((4, format!("personal data `{}`", value_name(&extension, value, "PII_KIND_"))));
            }
            "prism.encrypt_at_rest" if set => parts.push((5, "encrypted at rest".to_owned())),
            "prism.access_audit" if set => parts.push((5, "audited".to_owned())),
            "prism.mask_in_logs" if set => parts.push((6, "never logged".to_owned())),
            "prism.required" | "prism.encrypt_at_rest" | "prism.access_audit" | "prism.mask_in_logs" => {}
            unknown => {
                return Err(format!("{}: no description for the option {unknown}", field.full_name()).into());
            }
        }
    }
    parts.sort_by_key(|(order, _)| *order);
    Ok(parts.into_iter().map(|(_, words)| words).collect())
}

fn describe_rule(rule: &str, kind: &Kind) -> Option<String> {
    let (name, argument) = rule.split_once(':')?;
    let number = || argument.parse().ok().map(grouped);
    Some(match name {
        "regex" => format!("matches `{}`", argument.replace('|', "\\|")),
        "min_items" => format!("at least {} element{}", number()?, if argument == "1" { "" } else { "s" }),
        "max_items" => format!("at most {} elements", number()?),
        // A message with a minimum is a Duration; options.proto specifies microseconds.
        "min" if kind.as_message().is_some() => format!("at least {} µs", number()?),
        "min" => format!("at least {}", number()?),
        "no_nul" => "no NUL".to_owned(),
        _ => return None,
    })
}

/// Descriptions of a message's options.
pub(super) fn message_options(message: &MessageDescriptor) -> Result<Vec<String>> {
    let mut parts = Vec::new();
    for (extension, value) in message.options().extensions() {
        parts.push(match extension.full_name() {
            "prism.access_pattern" => {
                format!("access pattern `{}`", value_name(&extension, value, "ACCESS_PATTERN_"))
            }
            "prism.consistency" => format!("consistency `{}`", value_name(&extension, value, "CONSISTENCY_")),
            unknown => {
                return Err(
                    format!("{}: no description for the option {unknown}", message.full_name()).into()
                );
            }
        });
    }
    Ok(parts)
}

/// The name of an enum value without the enum's prefix.
fn value_name(extension: &ExtensionDescriptor, value: &Value, prefix: &str) -> String {
    let number = value.as_enum_number().unwrap_or_default();
    let name = match extension.kind() {
        Kind::Enum(enumeration) => {
            enumeration.get_value(number).map(|value| value.name().trim_start_matches(prefix).to_owned())
        }
        _ => None,
    };
    name.unwrap_or_else(|| number.to_string())
}
