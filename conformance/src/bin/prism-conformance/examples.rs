//! Examples in the help of each command. They run in the order of docs/cli.md, where a server is running.

use clap::Command;
use prism_cli::examples;

/// A command, and its examples: each a comment, and the lines to type.
type Examples<'a> = (&'a str, &'a [(&'a str, &'a str)]);

const COMMANDS: [Examples<'_>; 7] = [
    (
        "run",
        &[
            ("A server that is running: some cases, then all of them, with a report", RUN),
            (
                "A server that the suite starts, kills and restarts",
                "prism-conformance run --spawn 'prism serve' --only 'durability::*'",
            ),
        ],
    ),
    ("list", &[("The cases of a group, and those of a rule", LIST)]),
    ("explain", &[("A rule, and a case", EXPLAIN)]),
    ("replay", &[("The operations of an earlier failure", REPLAY)]),
    ("matrix", &[("Rules, cases and seeded bugs", "prism-conformance matrix > matrix.md")]),
    (
        "selftest",
        &[("One seeded bug, which must be caught", "prism-conformance selftest --only GetShowsExpiredItems")],
    ),
    ("new", &[("A crate that is to become a backend, and a server in Python", NEW)]),
];

const NEW: &str = "prism-conformance new my-backend\nprism-conformance new my-server --language python";
const RUN: &str = "\
prism-conformance run --endpoint http://127.0.0.1:8980 --only 'put::*'
prism-conformance run --endpoint http://127.0.0.1:8980 --budget quick --html report.html";
const LIST: &str = "prism-conformance list --only 'ttl::*'\nprism-conformance list --only PUT-1";
const EXPLAIN: &str =
    "prism-conformance explain PUT-1\nprism-conformance explain put::replaces_the_whole_item";
const REPLAY: &str = "\
saved=fixtures/regressions/property-restarts_change_nothing-406b77472cb3d265.json
prism-conformance replay $saved --spawn 'prism serve'";

/// Adds examples to the help of each command.
pub(crate) fn documented(command: Command) -> Command {
    let documented = COMMANDS.into_iter().fold(command, |command, (name, of_command)| {
        command.mut_subcommand(name, |command| command.after_help(examples(of_command)))
    });
    prism_cli::with_examples(documented)
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;
    use crate::args::Cli;

    #[test]
    fn every_example_is_that_of_a_command() {
        let known: Vec<_> =
            Cli::command().get_subcommands().map(|command| command.get_name().to_owned()).collect();
        for (name, _) in COMMANDS {
            assert!(known.iter().any(|known| known == name), "there is no command {name}");
        }
        documented(Cli::command()).debug_assert();
    }
}
