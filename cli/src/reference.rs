//! The reference of a program's commands as Markdown.

use std::collections::BTreeSet;
use std::fmt::Write;

use clap::{Arg, ArgAction, Command};

use crate::after::{EXAMPLES, Paragraph, paragraphs};

/// A section for each visible command, below a heading of the second level for the program.
///
/// Options that several commands have under the same heading, and options of every command, are listed once, before the first
/// command. The blocks of examples can run in the order of the page; that of a command in `background` keeps running, and is
/// marked so. That of a command in `skip` is marked with the reason why it does not run.
pub(crate) fn markdown(command: Command, background: &[String], skip: &[(String, String)]) -> String {
    let mut command =
        command.disable_help_subcommand(true).disable_help_flag(true).disable_version_flag(true);
    command.build();
    let mut page = Page { text: String::new(), background, skip, shared: shared_headings(&command) };
    page.program(&command);
    page.text
}

/// The page so far.
struct Page<'a> {
    text: String,
    background: &'a [String],
    /// Commands and reasons.
    skip: &'a [(String, String)],
    /// Headings of options whose options are listed once.
    shared: Vec<String>,
}

/// Headings that more than one command has, each once.
fn shared_headings(command: &Command) -> Vec<String> {
    let (mut known, mut shared) = (BTreeSet::new(), Vec::new());
    for command in visible(command) {
        let of_command: BTreeSet<_> = command.get_arguments().filter_map(Arg::get_help_heading).collect();
        for heading in of_command {
            if !known.insert(heading) && !shared.contains(&heading) {
                shared.push(heading);
            }
        }
    }
    shared.into_iter().map(str::to_owned).collect()
}

fn visible(command: &Command) -> impl Iterator<Item = &Command> {
    command.get_subcommands().filter(|command| !command.is_hide_set())
}

impl Page<'_> {
    fn program(&mut self, program: &Command) {
        let name = program.get_name();
        self.line(&format!("## {name}\n"));
        self.about(program);
        self.usage(program);
        self.line("| command | what it does |\n| --- | --- |");
        for command in visible(program) {
            let about = command.get_about().map(ToString::to_string).unwrap_or_default();
            let id = anchor(command);
            self.line(&format!("| [`{}`](#{id}) | {} |", command.get_name(), cell(&about)));
        }
        self.line("");
        let global: Vec<_> = program.get_arguments().filter(|arg| arg.is_global_set()).collect();
        self.options(&format!("Options of every {name} command"), &global);
        for heading in self.shared.clone() {
            let mut listed = BTreeSet::new();
            let options = visible(program).flat_map(Command::get_arguments);
            let options: Vec<_> = options
                .filter(|arg| arg.get_help_heading() == Some(&heading) && listed.insert(arg.get_id()))
                .collect();
            self.options(&format!("{heading} options of {name}"), &options);
        }
        self.after(program);
        for command in visible(program) {
            self.command(program, command);
        }
    }

    fn command(&mut self, program: &Command, command: &Command) {
        let name = command.get_bin_name().unwrap_or_else(|| command.get_name());
        self.line(&format!("### {name}\n"));
        self.about(command);
        self.usage(command);
        if command.has_subcommands() {
            let names: Vec<_> = visible(command).map(|command| format!("`{}`", command.get_name())).collect();
            self.line(&format!("Its commands: {}.\n", names.join(", ")));
            // Commands that the program also has by themselves, with the same description, have a section already.
            let is_own = |of: &&Command| {
                let own = program.find_subcommand(of.get_name());
                own.is_some_and(|own| {
                    own.get_about().map(ToString::to_string) == of.get_about().map(ToString::to_string)
                })
            };
            for command in visible(command).filter(|of| !is_own(of)) {
                self.command(program, command);
            }
            return;
        }
        let own = |arg: &&Arg| {
            let heading = arg.get_help_heading().unwrap_or_default();
            !arg.is_global_set() && !arg.is_hide_set() && !self.shared.iter().any(|shared| shared == heading)
        };
        let (positional, options): (Vec<_>, Vec<_>) =
            command.get_arguments().filter(own).partition(|arg| arg.is_positional());
        self.table("argument", &positional);
        self.table("option", &options);
        let shared: Vec<_> =
            self.shared.iter().filter(|heading| has_heading(command, heading)).cloned().collect();
        for heading in shared {
            let program = name.split(' ').next().unwrap_or_default();
            let id = format!("{heading} options of {program}").to_lowercase().replace(' ', "-");
            self.line(&format!("Also: [{} options](#{id}).\n", heading.to_lowercase()));
        }
        self.after(command);
    }

    fn options(&mut self, title: &str, options: &[&Arg]) {
        if !options.is_empty() {
            self.line(&format!("### {title}\n"));
            self.table("option", options);
        }
    }

    fn about(&mut self, command: &Command) {
        if let Some(about) = command.get_long_about().or_else(|| command.get_about()) {
            self.line(&format!("{}\n", sentence(&prose(&about.to_string()))));
        }
    }

    fn usage(&mut self, command: &Command) {
        let usage = command.clone().render_usage().to_string();
        let lines: Vec<_> = usage.trim_start_matches("Usage:").lines().map(str::trim).collect();
        self.line(&format!("```text\n{}\n```\n", lines.join("\n").trim()));
    }

    fn table(&mut self, of: &str, args: &[&Arg]) {
        let args: Vec<_> = args.iter().filter(|arg| !arg.is_hide_set()).collect();
        if args.is_empty() {
            return;
        }
        self.line(&format!("| {of} | what it means |\n| --- | --- |"));
        for arg in args {
            self.line(&format!("| `{}` | {} |", cell(&spelling(arg)), cell(&meaning(arg))));
        }
        self.line("");
    }

    fn after(&mut self, command: &Command) {
        let Some(text) = command.get_after_long_help().or_else(|| command.get_after_help()) else { return };
        let is_background = self.background.iter().any(|name| name == command.get_name());
        for paragraph in paragraphs(&text.to_string()) {
            match paragraph {
                Paragraph::Section { heading: EXAMPLES, lines } => {
                    let skip = self.skip.iter().find(|(name, _)| name == command.get_name());
                    let mark = match skip {
                        Some((_, reason)) => format!("<!-- run: skip, {reason} -->\n"),
                        None if is_background => "<!-- run: background -->\n".to_owned(),
                        None => String::new(),
                    };
                    self.line(&format!("{mark}```sh\n{}\n```\n", lines.join("\n")));
                }
                Paragraph::Section { heading, lines } => {
                    self.line(&format!("{heading}:\n\n```text\n{}\n```\n", lines.join("\n")));
                }
                Paragraph::Verbatim(lines) => self.line(&format!("```text\n{}\n```\n", lines.join("\n"))),
                Paragraph::Prose(lines) => self.line(&format!("{}\n", prose(&lines.join(" ")))),
            }
        }
    }

    fn line(&mut self, line: &str) {
        writeln!(self.text, "{line}").expect("writing to a String cannot fail");
    }
}

fn has_heading(command: &Command, heading: &str) -> bool {
    command.get_arguments().any(|arg| arg.get_help_heading() == Some(heading))
}

/// The anchor of a command's heading, such as `prism-put`.
fn anchor(command: &Command) -> String {
    command.get_bin_name().unwrap_or_else(|| command.get_name()).replace(' ', "-")
}

/// An argument as it is typed, such as `--ttl SPAN` or `KEY...`.
fn spelling(arg: &Arg) -> String {
    let takes_value = arg.get_num_args().is_some_and(|number| number.takes_values());
    let names = arg.get_value_names().unwrap_or_default().iter().map(ToString::to_string).collect::<Vec<_>>();
    let value = if takes_value { names.join(" ") } else { String::new() };
    let several = matches!(arg.get_action(), ArgAction::Append);
    let optional = arg.get_num_args().is_some_and(|number| number.min_values() == 0 && number.takes_values());
    let short = arg.get_short().map(|short| format!("-{short}, ")).unwrap_or_default();
    match arg.get_long() {
        Some(long) if value.is_empty() => format!("{short}--{long}"),
        Some(long) if optional => format!("{short}--{long}[={value}]"),
        Some(long) => format!("{short}--{long} {value}"),
        None if several => format!("{value}..."),
        None => value,
    }
}

/// An argument's help, the values it allows, its default and its variable.
fn meaning(arg: &Arg) -> String {
    let help = arg.get_help().map(|help| prose(&help.to_string())).unwrap_or_default();
    let mut text = sentence(&help);
    let values: Vec<_> = arg.get_possible_values().into_iter().filter(|value| !value.is_hide_set()).collect();
    let takes_value = arg.get_num_args().is_some_and(|number| number.takes_values());
    if takes_value && !values.is_empty() {
        let values: Vec<_> = values
            .iter()
            .map(|value| match value.get_help() {
                Some(help) => {
                    format!("`{}`: {}", value.get_name(), prose(help.to_string().trim_end_matches('.')))
                }
                None => format!("`{}`", value.get_name()),
            })
            .collect();
        let separator = if values.iter().any(|value| value.contains(':')) { "; " } else { ", " };
        write!(text, " Allowed: {}.", values.join(separator)).expect("writing to a String cannot fail");
    }
    let defaults: Vec<_> =
        arg.get_default_values().iter().map(|value| format!("`{}`", value.to_string_lossy())).collect();
    if takes_value && !defaults.is_empty() && !arg.is_hide_default_value_set() {
        write!(text, " Default: {}.", defaults.join(", ")).expect("writing to a String cannot fail");
    }
    if let Some(variable) = arg.get_env() {
        write!(text, " Variable: `{}`.", variable.to_string_lossy())
            .expect("writing to a String cannot fail");
    }
    text
}

/// Text with a full stop at its end.
fn sentence(text: &str) -> String {
    let ends = text.is_empty() || text.ends_with(['.', ':', '!', '?']);
    if ends { text.to_owned() } else { format!("{text}.") }
}

/// Plain text for Markdown: characters with a meaning there are escaped, and addresses are code, so that none is a link.
fn prose(text: &str) -> String {
    let words = text.split(' ').map(|word| {
        let address = word.trim_end_matches([',', ';', '.']);
        let is_address = address.contains("://");
        if is_address { format!("`{address}`{}", &word[address.len()..]) } else { escaped(word) }
    });
    words.collect::<Vec<_>>().join(" ")
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if matches!(character, '\\' | '`' | '*' | '<' | '>' | '[' | ']') {
            escaped.push('\\');
        }
        escaped.push(character);
    }
    escaped
}

/// Markdown for a table's cell: on one line, with bars escaped.
fn cell(text: &str) -> String {
    text.replace('|', "\\|").replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::examples;

    fn program() -> Command {
        let endpoint = Arg::new("endpoint").long("endpoint").value_name("URL").help_heading("Connection");
        let endpoint =
            endpoint.env("PROG_ENDPOINT").default_value("http://a").help("The <server>, such as a|b");
        let key = Arg::new("key").value_name("KEY").action(ArgAction::Append).help("A key");
        let get = Command::new("get").about("Read").args([endpoint.clone(), key]);
        // Its options under the heading are not adjacent, and one is its alone.
        let listen = Arg::new("listen").long("listen").value_name("PORT").help("The port");
        let tls = Arg::new("tls").long("tls").value_name("FILE").help_heading("Connection").help("A file");
        let serve = Command::new("serve")
            .args([endpoint, listen, tls])
            .after_help(examples(&[("One", "prog serve")]));
        let color = Arg::new("color").short('c').long("color").value_name("WHEN|HOW").global(true);
        let commands = [get, serve, Command::new("secret").hide(true)];
        Command::new("prog").arg(color).subcommands(commands)
    }

    #[test]
    fn a_heading_of_one_command_is_not_shared_however_often_it_stands_there() {
        let arg = |name: &'static str| Arg::new(name).long(name).value_name("X").help("Help");
        let args = [arg("a").help_heading("Odd"), arg("b"), arg("c").help_heading("Odd")];
        let page = markdown(Command::new("prog").subcommand(Command::new("get").args(args)), &[], &[]);
        assert!(!page.contains("Odd options of prog"), "{page}");
        assert!(page.contains("| `--a X` | Help. |") && page.contains("| `--c X` | Help. |"), "{page}");
    }

    #[test]
    fn options_of_several_commands_are_listed_once() {
        let page = markdown(program(), &[], &[]);
        let row = "| `--endpoint URL` | The \\<server\\>, such as a\\|b. Default: `http://a`. Variable: `PROG_ENDPOINT`. |";
        assert_eq!(page.matches(row).count(), 1, "{page}");
        assert_eq!(page.matches("| `--tls FILE` | A file. |").count(), 1, "{page}");
        assert_eq!(page.matches("`-c, --color WHEN\\|HOW`").count(), 1, "{page}");
        assert_eq!(page.matches("--color").count(), 1, "{page}");
        assert!(page.contains("### Connection options of prog\n"), "{page}");
        assert_eq!(page.matches("[connection options](#connection-options-of-prog)").count(), 2, "{page}");
        assert!(page.contains("### prog get\n\nRead.\n") && page.contains("| `KEY...` | A key. |"), "{page}");
        assert!(!page.contains("secret"), "{page}");
    }

    #[test]
    fn examples_can_run_and_a_server_runs_in_the_background() {
        let block = "```sh\n# One\nprog serve\n```\n";
        assert!(markdown(program(), &[], &[]).contains(&format!("\n\n{block}")));
        let background = markdown(program(), &["serve".to_owned()], &[]);
        assert!(background.contains(&format!("<!-- run: background -->\n{block}")), "{background}");
        let skipped = markdown(program(), &[], &[("serve".to_owned(), "why".to_owned())]);
        assert!(skipped.contains(&format!("<!-- run: skip, why -->\n{block}")), "{skipped}");
    }

    #[test]
    fn a_command_below_another_has_a_section_unless_the_program_has_it_too() {
        let commands = [("get", "Read"), ("check", "Does it")];
        let commands = commands.map(|(name, about)| Command::new(name).about(about));
        let page = markdown(program().subcommand(Command::new("kv").subcommands(commands)), &[], &[]);
        assert!(page.contains("Its commands: `get`, `check`."), "{page}");
        assert!(page.contains("### prog kv check\n\nDoes it.\n") && !page.contains("prog kv get"), "{page}");
    }

    #[test]
    fn a_command_below_another_has_a_section_if_the_programs_command_of_that_name_does_something_else() {
        let kv = Command::new("kv").subcommand(Command::new("get").about("Read a record"));
        let page = markdown(program().subcommand(kv), &[], &[]);
        assert!(page.contains("### prog get\n\nRead.\n"), "{page}");
        assert!(page.contains("### prog kv get\n\nRead a record.\n"), "{page}");
    }
}
