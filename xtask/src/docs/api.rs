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

/// A page of the reference.
pub(super) struct Page {
    /// Its file below `docs`.
    pub(super) path: &'static str,
    title: &'static str,
    /// The files in page order, each with its heading. The first one begins the page.
    files: &'static [(&'static str, &'static str)],
    prose: fn() -> Result<Prose>,
    /// The section that explains errors.
    errors: &'static str,
    /// How to repeat a call that is not idempotent by itself.
    repeat: &'static str,
}

/// The pages; every .proto file is on one.
pub(super) const PAGES: [Page; 2] = [
    Page {
        path: "api-reference.md",
        title: "API reference",
        files: &[
            ("prism/keyvalue/v1/keyvalue.proto", "Requests and answers"),
            ("prism/keyvalue/v1/types.proto", "Items, predicates, limits"),
            ("prism/control/v1/control.proto", "Control plane: requests and answers"),
            ("prism/control/v1/types.proto", "Control plane: definitions of namespaces"),
            ("prism/common/metadata.proto", "Metadata"),
            ("prism/common/types.proto", "Shared types"),
            ("prism/common/errors.proto", "Errors"),
            ("prism/options.proto", "Options of the schema"),
        ],
        prose: Prose::of_keyvalue,
        errors: "#errors",
        repeat: "repeat or hedge it with the same `item_priority_token` ([TOK-3](contract.md#TOK-3))",
    },
    Page {
        path: "timeseries/api-reference.md",
        title: "API reference of TimeSeries",
        files: &[
            ("prism/timeseries/v1/timeseries.proto", "Requests and answers"),
            ("prism/timeseries/v1/types.proto", "Events, policies, limits"),
        ],
        prose: Prose::of_timeseries,
        errors: "../api-reference.md#errors",
        repeat: "repeat it only if every event has a time and an id ([APP-3](contract.md#APP-3))",
    },
];

impl Page {
    /// The text of the page.
    pub(super) fn text(&self) -> Result<String> {
        let sources = sources(&tree::proto())?;
        let pool = compile(&sources, true)?.descriptor_pool();
        for source in &sources {
            let name = source.display().to_string();
            if PAGES.iter().all(|page| page.files.iter().all(|(file, _)| *file != name)) {
                return Err(format!("{name} is missing from the API reference; add it to a page").into());
            }
        }
        let page = format!(
            "# {}\n\n<!-- Made by `cargo xtask docs` from the comments and options of the files in proto/prism; do not \
             edit. -->\n\n",
            self.title
        );
        Writer { of: self, comments: Comments::of(&pool), prose: (self.prose)()?, pool, page }.write()
    }

    fn has(&self, file: &FileDescriptor) -> bool {
        self.files.iter().any(|(name, _)| *name == file.name())
    }
}

struct Writer<'a> {
    of: &'a Page,
    pool: DescriptorPool,
    comments: Comments,
    prose: Prose,
    page: String,
}

impl Writer<'_> {
    fn write(mut self) -> Result<String> {
        let (api, _) = self.of.files[0];
        let introduction = self.prose.paragraphs(&self.comments.of_file(api)?)?;
        self.put(&introduction);
        self.put("What each call promises beyond the shape of its messages is the [contract](contract.md); its rules are cited by their ids.");
        self.put("## Services");
        for service in self
            .pool
            .clone()
            .services()
            .filter(|service| self.of.has(&service.parent_file()))
            .collect::<Vec<_>>()
        {
            self.service(&service)?;
        }
        for (name, title) in self.of.files {
            let file = self.pool.get_file_by_name(name).ok_or("a file of a page does not exist")?;
            self.file(&file, title)?;
        }
        Ok(format!("{}\n", self.page.trim_end()))
    }

    fn file(&mut self, file: &FileDescriptor, title: &str) -> Result {
        self.put(&format!("## {title}"));
        self.put(&format!("Package `{}`, file `{}`.", file.package_name(), file.name()));
        if file.name() != self.of.files[0].0 {
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
        let nested = message.child_messages().filter(|nested| !nested.is_map_entry()).count();
        if nested + message.child_enums().len() > 0 {
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
    use super::PAGES;

    /// The first line of the pages that contains all of `parts`.
    fn line_with(parts: &[&str]) -> String {
        let page = PAGES.map(|page| page.text().unwrap()).concat();
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
    fn a_method_without_a_time_limit_says_so() {
        let tail = line_with(&["`Tail`", "`read`"]);
        assert_eq!(tail, "| [`Tail`](#tail) | `read` | none | yes | a stream |");
    }

    #[test]
    fn a_map_lists_its_key_and_value() {
        let tags = line_with(&["id=\"Event.tags\""]);
        assert!(tags.contains("map of `string` to `string`"), "{tags}");
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
