//! The fields of messages, and the options on fields and messages.

use protox::prost_reflect::{
    ExtensionDescriptor, FieldDescriptor, FileDescriptor, Kind, MessageDescriptor, Value,
};

use super::Writer;
use crate::Result;
use crate::docs::prose::grouped;

impl Writer {
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

    /// The options that a file defines, by what they stand on.
    pub(super) fn extensions(&mut self, file: &FileDescriptor) -> Result {
        let mut on = String::new();
        let mut table = String::new();
        for extension in file.extensions() {
            let target = extension.containing_message().full_name().to_owned();
            if target != on {
                self.put(&table);
                self.put(&format!("### On `{target}`"));
                table =
                    String::from("| option | number | type | what it says |\n| --- | --- | --- | --- |\n");
                on = target;
            }
            let comment = self.comments.at(file.name(), extension.path(), extension.full_name())?;
            let (comment, list) = match comment.split_once("\n\n  ") {
                Some((comment, list)) => (comment.to_owned(), format!("  {list}")),
                None => (comment, String::new()),
            };
            let comment = self.prose.line(&comment)?;
            let rules = list.lines().filter_map(|line| line.trim().split_once("   "));
            let rules: Vec<_> = rules
                .map(|(rule, says)| Ok(format!("<br>`{rule}`: {}", self.prose.line(says)?)))
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
    let one = of_kind(&field.kind());
    if field.is_list() { format!("repeated {one}") } else { one }
}

fn extension_kind(extension: &ExtensionDescriptor) -> String {
    let one = of_kind(&extension.kind());
    if extension.is_list() { format!("repeated {one}") } else { one }
}

fn of_kind(kind: &Kind) -> String {
    let (name, package) = match kind {
        Kind::Message(message) => (message.name().to_owned(), message.package_name().to_owned()),
        Kind::Enum(named) => (named.name().to_owned(), named.package_name().to_owned()),
        plain => return format!("`{plain:?}`"),
    };
    if package.starts_with("prism") {
        format!("[`{name}`](#{})", name.to_lowercase())
    } else {
        format!("`{package}.{name}`")
    }
}

/// What the options of a field say, each in a few words.
fn field_options(field: &FieldDescriptor) -> Result<Vec<String>> {
    let mut said = Vec::new();
    let options = field.options();
    for (extension, value) in options.extensions() {
        let set = value.as_bool() == Some(true);
        match extension.full_name() {
            "prism.required" if set => said.push((0, "required".to_owned())),
            "prism.max_length" => {
                let each = if field.is_list() { " each" } else { "" };
                let bytes = grouped(value.as_u32().unwrap_or_default().into());
                said.push((1, format!("at most {bytes} bytes{each}")));
            }
            "prism.validation" => {
                for rule in value.as_list().unwrap_or_default() {
                    let rule = rule.as_str().unwrap_or_default();
                    said.push((
                        2,
                        rule_in_words(rule, &field.kind())
                            .ok_or_else(|| format!("{}: no words for {rule}", field.full_name()))?,
                    ));
                }
            }
            "prism.index" => {
                said.push((3, format!("index `{}`", value_name(&extension, value, "INDEX_KIND_"))));
            }
            "prism.pii" => {
                said.push((4, format!("personal data `{}`", value_name(&extension, value, "PII_KIND_"))));
            }
            "prism.encrypt_at_rest" if set => said.push((5, "encrypted at rest".to_owned())),
            "prism.access_audit" if set => said.push((5, "audited".to_owned())),
            "prism.mask_in_logs" if set => said.push((6, "never logged".to_owned())),
            "prism.required" | "prism.encrypt_at_rest" | "prism.access_audit" | "prism.mask_in_logs" => {}
            unknown => return Err(format!("{}: no words for the option {unknown}", field.full_name()).into()),
        }
    }
    said.sort_by_key(|(order, _)| *order);
    Ok(said.into_iter().map(|(_, words)| words).collect())
}

fn rule_in_words(rule: &str, kind: &Kind) -> Option<String> {
    let (name, argument) = rule.split_once(':')?;
    let number = || argument.parse().ok().map(grouped);
    Some(match name {
        "regex" => format!("matches `{}`", argument.replace('|', "\\|")),
        "min_items" => format!("at least {} element{}", number()?, if argument == "1" { "" } else { "s" }),
        "max_items" => format!("at most {} elements", number()?),
        // A message that has a least value is a Duration, which options.proto counts in microseconds.
        "min" if kind.as_message().is_some() => format!("at least {} µs", number()?),
        "min" => format!("at least {}", number()?),
        "no_nul" => "no NUL".to_owned(),
        _ => return None,
    })
}

/// What the options of a message say.
pub(super) fn message_options(message: &MessageDescriptor) -> Result<Vec<String>> {
    let mut said = Vec::new();
    for (extension, value) in message.options().extensions() {
        said.push(match extension.full_name() {
            "prism.access_pattern" => {
                format!("access pattern `{}`", value_name(&extension, value, "ACCESS_PATTERN_"))
            }
            "prism.consistency" => format!("consistency `{}`", value_name(&extension, value, "CONSISTENCY_")),
            unknown => {
                return Err(format!("{}: no words for the option {unknown}", message.full_name()).into());
            }
        });
    }
    Ok(said)
}

/// The name of an enum's value without what all its names begin with.
fn value_name(extension: &ExtensionDescriptor, value: &Value, prefix: &str) -> String {
    let number = value.as_enum_number().unwrap_or_default();
    let name = match extension.kind() {
        Kind::Enum(named) => {
            named.get_value(number).map(|value| value.name().trim_start_matches(prefix).to_owned())
        }
        _ => None,
    };
    name.unwrap_or_else(|| number.to_string())
}
