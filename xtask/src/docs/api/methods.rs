//! Services, their methods, and the possible statuses of a call.

use protox::prost_reflect::{EnumDescriptor, MethodDescriptor, ServiceDescriptor, Value};

use super::{Writer, option};
use crate::Result;
use crate::docs::prose::{capitalised, grouped};

/// The enum of error reasons: the comment of each value begins with its status.
const REASONS: &str = "prism.common.ErrorReason";

impl Writer<'_> {
    pub(super) fn service(&mut self, service: &ServiceDescriptor) -> Result {
        let file = service.parent_file();
        let comment = self.comments.at(file.name(), service.path(), service.full_name())?;
        let comment = self.prose.paragraphs(&comment)?;
        self.put(&format!("### {}\n\n`{}`. {comment}", service.name(), service.full_name()));
        let mut table = String::from(
            "| method | permission | longest time | idempotent | answer |\n| --- | --- | --- | --- | --- |\n",
        );
        for method in service.methods() {
            let options = MethodOptions::of(&method);
            table.push_str(&format!(
                "| [`{name}`](#{anchor}) | {} | {} | {} | {} |\n",
                options.permissions,
                options.timeout,
                if options.idempotent { "yes" } else { "no" },
                if method.is_server_streaming() { "a stream" } else { "one message" },
                name = method.name(),
                anchor = method.name().to_lowercase(),
            ));
        }
        self.put(&table);
        for method in service.methods() {
            self.method(&method)?;
        }
        Ok(())
    }

    fn method(&mut self, method: &MethodDescriptor) -> Result {
        let file = method.parent_file();
        let raw = self.comments.at(file.name(), method.path(), method.full_name())?;
        let comment = self.prose.paragraphs(&raw)?;
        let options = MethodOptions::of(method);
        options.check_comment(&raw).map_err(|why| format!("the comment of {} {why}", method.full_name()))?;
        let (name, service) = (method.name(), method.parent_service().full_name());
        let stream = if method.is_server_streaming() { "a stream of " } else { "" };
        let (input, output) = (method.input(), method.output());
        self.put(&format!("#### {name}\n\n{comment}"));
        let mut errors: Vec<String> = Vec::new();
        for status in self.statuses_in(&format!("{}\n{raw}", self.comments.of_file(self.of.files[0].0)?))? {
            if !errors.contains(&status) {
                errors.push(status);
            }
        }
        let errors: Vec<_> = errors.iter().map(|status| format!("`{status}`")).collect();
        self.put(&format!(
            "- Takes [`{}`](#{}), answers {stream}[`{}`](#{}).\n\
             - Path: `/{service}/{name}`\n\
             - Credentials: {}; permission {}.\n\
             - Longest time: {}.\n\
             - {}\n\
             - Errors: {}; see [Errors]({}).",
            input.name(),
            input.name().to_lowercase(),
            output.name(),
            output.name().to_lowercase(),
            if options.require_auth { "required where the server has tokens" } else { "none" },
            options.permissions,
            match options.timeout_ms {
                Some(_) => format!(
                    "{}, or the client's deadline if that is shorter; then `DEADLINE_EXCEEDED`",
                    options.timeout
                ),
                None => "no limit but the client's deadline".to_owned(),
            },
            if options.idempotent {
                "Idempotent: a client may repeat or hedge it.".to_owned()
            } else {
                format!("Not idempotent by itself: {}.", self.of.repeat)
            },
            errors.join(", "),
            self.of.errors,
        ));
        Ok(())
    }

    /// The statuses mentioned in a comment, in order.
    fn statuses_in(&self, comment: &str) -> Result<Vec<String>> {
        let reasons = self.pool.get_enum_by_name(REASONS).ok_or("ErrorReason does not exist")?;
        let known: Vec<_> =
            reasons.values().filter_map(|value| self.status(&reasons, value.number())).collect();
        let words = comment.split(|c: char| !c.is_ascii_uppercase() && c != '_');
        Ok(words.filter(|word| known.iter().any(|(status, _)| status == word)).map(str::to_owned).collect())
    }

    /// Splits the comment of a reason into its leading status and the rest.
    fn status(&self, reasons: &EnumDescriptor, number: i32) -> Option<(String, String)> {
        let value = reasons.get_value(number)?;
        let file = reasons.parent_file();
        let comment = self.comments.at(file.name(), value.path(), value.full_name()).ok()?;
        let (status, rest) = comment.split_once(": ")?;
        let is_status = !status.is_empty() && status.bytes().all(|c| c.is_ascii_uppercase() || c == b'_');
        is_status.then(|| (status.to_owned(), rest.to_owned()))
    }

    /// The table of reasons with their statuses.
    pub(super) fn reasons(&mut self, reasons: &EnumDescriptor) -> Result {
        let file = reasons.parent_file();
        let comment = self.comments.at(file.name(), reasons.path(), reasons.full_name())?;
        let comment = self.prose.paragraphs(&comment)?;
        self.put(&format!("### {}\n\n{comment}", reasons.name()));
        let mut table =
            String::from("| status | reason | number | when, and what to do |\n| --- | --- | --- | --- |\n");
        for value in reasons.values().filter(|value| value.number() != 0) {
            let (status, rest) = self.status(reasons, value.number()).ok_or_else(|| {
                format!("the comment of {} does not begin with a status and a colon", value.name())
            })?;
            let reason = value.name().trim_start_matches("ERROR_REASON_");
            let rest = self.prose.line(&capitalised(&rest))?;
            table.push_str(&format!("| `{status}` | `{reason}` | {} | {rest} |\n", value.number()));
        }
        self.put(&table);
        Ok(())
    }
}

/// The options of a method.
struct MethodOptions {
    require_auth: bool,
    permissions: String,
    timeout: String,
    /// `None`: the method has no time limit.
    timeout_ms: Option<u32>,
    idempotent: bool,
}

impl MethodOptions {
    fn of(method: &MethodDescriptor) -> Self {
        let pool = method.parent_pool();
        let (options, service) = (method.options(), method.parent_service().options());
        let flag = |value: Option<Value>| value.and_then(|value| value.as_bool());
        let permissions: Vec<_> = option(pool, &options, "required_permissions")
            .iter()
            .flat_map(|value| value.as_list().unwrap_or_default())
            .filter_map(|permission| Some(format!("`{}`", permission.as_str()?)))
            .collect();
        let timeout = option(pool, &options, "timeout_ms").and_then(|value| value.as_u32());
        Self {
            require_auth: flag(option(pool, &options, "method_require_auth"))
                .or_else(|| flag(option(pool, &service, "require_auth")))
                .unwrap_or(false),
            permissions: if permissions.is_empty() { "none".to_owned() } else { permissions.join(", ") },
            timeout: timeout.map_or("none".to_owned(), |timeout| format!("{} ms", grouped(timeout.into()))),
            timeout_ms: timeout,
            idempotent: flag(option(pool, &options, "idempotent")).unwrap_or(false),
        }
    }

    /// Checks that the comment states the same options in words, for readers of the generated code.
    fn check_comment(&self, comment: &str) -> std::result::Result<(), String> {
        let comment = comment.split_whitespace().collect::<Vec<_>>().join(" ");
        let timeout =
            self.timeout_ms.map_or("Timeout".to_owned(), |millis| format!("Timeout {} s", millis / 1_000));
        let words = [
            (self.timeout_ms.is_some(), timeout),
            (true, format!("permission {}", self.permissions.replace('`', "\""))),
            (self.idempotent, "idempotent".to_owned()),
        ];
        for (expected, words) in words {
            if comment.contains(&words) != expected {
                return Err(format!("must {}contain '{words}'", if expected { "" } else { "not " }));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::MethodOptions;

    #[test]
    fn a_comment_that_contradicts_the_options_is_an_error() {
        let options = MethodOptions {
            require_auth: true,
            permissions: "`read`".to_owned(),
            timeout: "5,000 ms".to_owned(),
            timeout_ms: Some(5_000),
            idempotent: false,
        };
        assert_eq!(options.check_comment("Reads.\nTimeout\n5 s; permission \"read\"."), Ok(()));
        for (comment, why) in [
            ("Timeout 30 s; permission \"read\".", "must contain 'Timeout 5 s'"),
            ("Timeout 5 s; permission \"write\".", "must contain 'permission \"read\"'"),
            ("Timeout 5 s; permission \"read\"; idempotent.", "must not contain 'idempotent'"),
        ] {
            assert_eq!(options.check_comment(comment), Err(why.to_owned()));
        }
        let endless = MethodOptions { timeout: "none".to_owned(), timeout_ms: None, ..options };
        assert_eq!(endless.check_comment("No timeout; permission \"read\"."), Ok(()));
        let error = endless.check_comment("Timeout 5 s; permission \"read\".").unwrap_err();
        assert_eq!(error, "must not contain 'Timeout'");
    }
}
