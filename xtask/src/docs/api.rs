//! The API reference: every service, method, message, field, enum and option of the .proto files, with its comment.

mod fields;
mod methods;

use protox::prost_reflect::{
    DescriptorPool, DynamicMessage, EnumDescriptor, FileDescriptor, MessageDescriptor, Value,
};

use super::comments::Comments;
use super::prose::Prose;
use crate::codegen::{compile, sources};
use crate::{Result, tree};

/// The files in page order, each with its heading. The first one contains the services.
const FILES: &[(&str, &str)] = &[
    ("prism/keyvalue/v1/keyvalue.proto", "Requests and answers"),
    ("prism/keyvalue/v1/types.proto", "Items, predicates, limits"),
    ("prism/control/v1/control.proto", "Control plane: requests and answers"),
    ("prism/control/v1/types.proto", "Control plane: definitions of namespaces"),
    ("prism/common/metadata.proto", "Metadata"),
    ("prism/common/types.proto", "Shared types"),
    ("prism/common/errors.proto", "Errors"),
    ("prism/options.proto", "Options of the schema"),
];

const HEAD: &str = "# API reference\n\n\
    <!-- Made by `cargo xtask docs` from the comments and options of the files in proto/prism; do not edit. -->\n\n";

/// The page.
pub(super) fn page() -> Result<String> {
    let sources = sources(&tree::proto())?;
    let pool = compile(&sources, true)?.descriptor_pool();
    for source in &sources {
        let name = source.display().to_string();
        if FILES.iter().all(|(file, _)| *file != name) {
            return Err(format!("{name} is missing from the API reference; add it to FILES").into());
        }
    }
    Writer { comments: Comments::of(&pool), prose: Prose::new()?, pool, page: HEAD.to_owned() }.write()
}

struct Writer {
    pool: DescriptorPool,
    comments: Comments,
    prose: Prose,
    page: String,
}

impl Writer {
    fn write(mut self) -> Result<String> {
        let (api, _) = FILES[0];
        let introduction = self.prose.paragraphs(&self.comments.of_file(api)?)?;
        self.put(&introduction);
        self.put("What each call promises beyond the shape of its messages is the [contract](contract.md); its rules are cited by their ids.");
        self.put("## Services");
        for service in
            self.pool.clone().services().filter(|service| service.package_name().starts_with("prism"))
        {
            self.service(&service)?;
        }
        for (name, title) in FILES {
            let file = self.pool.get_file_by_name(name).ok_or("a file in FILES does not exist")?;
            self.file(&file, title)?;
        }
        Ok(format!("{}\n", self.page.trim_end()))
    }

    fn file(&mut self, file: &FileDescriptor, title: &str) -> Result {
        self.put(&format!("## {title}"));
        self.put(&format!("Package `{}`, file `{}`.", file.package_name(), file.name()));
        if file.name() != FILES[0].0 {
            let comment = self.prose.paragraphs(&self.comments.of_file(file.name())?)?;
            self.put(&comment);
        }
        for message in file.messages() {
            self.message(&message)?;
        }
        for enumeration in file.enums() {
            if enumeration.name() == "ErrorReason" {
                self.reasons(&enumeration)?;
            } else {
                self.enumeration(&enumeration)?;
            }
        }
        self.extensions(file)
    }

    fn message(&mut self, message: &MessageDescriptor) -> Result {
        if message.child_messages().len() + message.child_enums().len() > 0 {
            return Err(format!(
                "{} has nested types, which the API reference does not support",
                message.full_name()
            )
            .into());
        }
        let file = message.parent_file();
        let comment = self.comments.at(file.name(), message.path(), message.full_name())?;
        let comment = self.prose.paragraphs(&comment)?;
        self.put(&format!("### {}\n\n{comment}", message.name()));
        let options = fields::message_options(message)?;
        if !options.is_empty() {
            self.put(&format!("*{}*", options.join(" · ")));
        }
        self.fields(message)
    }

    fn enumeration(&mut self, enumeration: &EnumDescriptor) -> Result {
        let file = enumeration.parent_file();
        let comment = self.comments.at(file.name(), enumeration.path(), enumeration.full_name())?;
        let comment = self.prose.paragraphs(&comment)?;
        self.put(&format!("### {}\n\n{comment}", enumeration.name()));
        let mut table = String::from("| value | number | what it says |\n| --- | --- | --- |\n");
        for value in enumeration.values() {
            let comment =
                self.prose.line(&self.comments.at(file.name(), value.path(), value.full_name())?)?;
            table.push_str(&format!("| `{}` | {} | {comment} |\n", value.name(), value.number()));
        }
        self.put(&table);
        Ok(())
    }

    /// Appends a block (paragraph, table or heading) and an empty line, unless the block is empty.
    fn put(&mut self, text: &str) {
        if !text.is_empty() {
            self.page.push_str(text.trim_end());
            self.page.push_str("\n\n");
        }
    }
}

/// The value of one of Prism's options, if set.
fn option(pool: &DescriptorPool, options: &DynamicMessage, name: &str) -> Option<Value> {
    let extension = pool.get_extension_by_name(&format!("prism.{name}"))?;
    options.has_extension(&extension).then(|| options.get_extension(&extension).into_owned())
}

#[cfg(test)]
mod tests {
    use super::page;

    /// The first line of the page that contains all of `parts`.
    fn line_with(parts: &[&str]) -> String {
        let page = page().unwrap();
        let mut lines = page.lines().filter(|line| parts.iter().all(|part| line.contains(part)));
        lines.next().unwrap_or_else(|| panic!("no line contains {parts:?}")).to_owned()
    }

    #[test]
    fn a_method_lists_permission_timeout_and_errors() {
        let put = line_with(&["`Put`", "`write`"]);
        assert_eq!(put, "| [`Put`](#put) | `write` | 5,000 ms | no | one message |");
        let scan = line_with(&["`Scan`", "`read`"]);
        assert_eq!(scan, "| [`Scan`](#scan) | `read` | 30,000 ms | yes | a stream |");
        let errors = line_with(&["- Errors", "FAILED_PRECONDITION", "UNIMPLEMENTED"]);
        for status in ["INVALID_ARGUMENT", "UNAVAILABLE", "INTERNAL"] {
            assert!(errors.contains(&format!("`{status}`")), "{errors}");
        }
    }

    #[test]
    fn a_field_lists_its_limits_and_masking() {
        let key = line_with(&["id=\"Item.key\""]);
        let options = "*required · at most 1,024 bytes · index `CLUSTERING` · never logged*";
        assert!(key.contains(options), "{key}");
        let keys = line_with(&["id=\"MatchKeys.keys\""]);
        let options = "*required · at most 1,024 bytes each · at least 1 element · at most 1,000 elements · never logged*";
        assert!(keys.contains("repeated `bytes`") && keys.contains(options), "{keys}");
    }

    #[test]
    fn a_reason_is_listed_with_its_status() {
        let row = line_with(&["| `OVERLOADED`"]);
        assert!(row.starts_with("| `RESOURCE_EXHAUSTED` | `OVERLOADED` | 5 |"), "{row}");
    }
}
