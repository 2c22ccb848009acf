//! The book's pages about the suite are correct: commands work, options are complete, and mutants exist. `.ci/author.py`
//! follows the page on writing a backend.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use prism_conformance::Abstraction;
use prism_conformance::keyvalue::KeyValue;
use prism_conformance::keyvalue::mutants::mutants;
use prism_conformance::timeseries::TimeSeries;

const CLI: &str = "docs/conformance-cli.md";
const BACKEND: &str = "docs/writing-a-backend.md";

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// A fenced block: its language and its text.
struct Block {
    language: String,
    text: String,
}

fn blocks(page: &str) -> Vec<Block> {
    let mut blocks = Vec::new();
    let mut lines = page.lines();
    while let Some(line) = lines.next() {
        if let Some(language) = line.strip_prefix("```") {
            let text: Vec<_> = lines.by_ref().take_while(|line| !line.starts_with("```")).collect();
            blocks.push(Block { language: language.to_owned(), text: text.join("\n") });
        }
    }
    blocks
}

/// The lines that a reader pastes into a shell.
fn shell_lines(page: &str) -> Vec<String> {
    let shell = blocks(page).into_iter().filter(|block| block.language == "sh");
    shell.flat_map(|block| block.text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

#[test]
fn every_common_mistake_is_a_mutant_that_breaks_a_rule_of_its_row() {
    let page = read(BACKEND);
    let (_, section) = page.split_once("\n## What commonly goes wrong\n").expect("the page has the section");
    let mut mistakes = 0;
    for row in section.lines().skip_while(|line| !line.starts_with("| ---")).skip(1) {
        let Some(row) = row.strip_prefix("| ") else { break };
        let [mistake, rules, named] = row.split(" | ").collect::<Vec<_>>()[..] else {
            panic!("a row has three columns: {row}");
        };
        let names: Vec<_> = named.split('`').skip(1).step_by(2).collect();
        assert!(!names.is_empty(), "no mutant is named for: {mistake}");
        for name in names {
            let mutant = mutants().find(|mutant| mutant.name == name);
            let mutant = mutant.unwrap_or_else(|| panic!("{name} is not a mutant"));
            let breaks = |rule: &&str| rules.contains(&format!("[{rule}]"));
            assert!(mutant.breaks.iter().any(breaks), "{name} breaks none of {rules}");
        }
        mistakes += 1;
    }
    assert!(mistakes >= 10, "only {mistakes} mistakes");
}

#[test]
fn each_rule_has_one_anchor_in_the_text_of_its_contract_and_each_mutant_breaks_existing_rules() {
    for contract in [KeyValue::CONTRACT, TimeSeries::CONTRACT] {
        let rules = (contract.requirements)();
        for rule in rules {
            let anchor = format!("<a id=\"{}\"></a>\n**{}** ", rule.id, rule.id);
            assert_eq!(contract.text.matches(&anchor).count(), 1, "{}: {}", contract.name, rule.id);
        }
        for mutant in (contract.mutants)() {
            for broken in mutant.breaks {
                let is_rule = rules.iter().any(|rule| rule.id == *broken);
                assert!(is_rule, "{}: {} breaks {broken}, which is no rule", contract.name, mutant.name);
            }
        }
    }
}

#[test]
fn every_cargo_command_is_run_by_ci() {
    let known = [
        // The book builds in release mode, and CI builds the same binary in debug mode.
        (
            "cargo build --release -p prism-conformance --features cli",
            "cargo build -p prism-conformance --features cli",
        ),
        // Examples are built with the tests; `a_mutant_can_be_served` runs this one.
        (
            "cargo run -p prism-conformance --features cli --example serve_mutant -- GetShowsExpiredItems",
            "cargo test",
        ),
    ];
    let ci = read(".ci/run");
    let lines = shell_lines(&read(CLI));
    for line in lines.iter().filter(|line| line.starts_with("cargo")) {
        let run = known.iter().find(|(command, _)| command == line);
        let (_, run) = run.unwrap_or_else(|| panic!("CI does not run '{line}'"));
        assert!(ci.contains(run), "{run} is not in .ci/run");
    }
}

#[test]
fn the_page_lists_every_option_of_a_run_and_no_unknown_option() {
    let help = |command: &str| {
        let help = prism_conformance(&[command, "--help"]).output().expect("the command runs");
        options(&String::from_utf8(help.stdout).expect("help is UTF-8"))
    };
    let page = read(CLI);
    let prose: String = page.lines().filter(|line| !line.starts_with("cargo")).collect::<Vec<_>>().join("\n");
    let (listed, run) = (options(&prose), help("run"));
    let known: BTreeSet<_> = ["run", "selftest", "new"].into_iter().flat_map(help).collect();
    for option in run.iter().filter(|option| *option != "--help") {
        assert!(listed.contains(option), "{option} is missing on the page");
    }
    // Options of the example servers on the page, and of cargo.
    let others = ["--port", "--data", "--listen", "--test"].map(str::to_owned);
    for option in &listed {
        let is_known = known.contains(option) || others.contains(option);
        assert!(is_known, "{option} is not an option");
    }
}

/// All long options in a text.
fn options(text: &str) -> BTreeSet<String> {
    let words = text.split(|char: char| !char.is_ascii_alphanumeric() && char != '-');
    let options = words.filter(|word| word.starts_with("--") && word.len() > 2 && !word.starts_with("---"));
    options.map(str::to_owned).collect()
}

fn prism_conformance(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_prism-conformance"));
    command.args(arguments);
    command
}

/// An address without a server.
const NOWHERE: &str = "127.0.0.1:1";

#[test]
fn every_command_of_the_book_is_accepted_by_the_program() {
    let folder = tempfile::tempdir().expect("a temporary folder can be made");
    for block in blocks(&read(CLI)).iter().filter(|block| block.language == "toml") {
        fs::write(folder.path().join("known-failing.toml"), &block.text).expect("the file can be written");
    }
    let regressions = fs::read_dir(root().join("fixtures/regressions")).expect("the folder is there");
    let regression = regressions.flatten().next().expect("there is a regression").path();
    fs::copy(regression, folder.path().join("regression.json")).expect("the file can be copied");
    fs::write(folder.path().join("token"), "secret").expect("the file can be written");
    fs::write(folder.path().join("ca.pem"), "").expect("the file can be written");

    let mut ran = 0;
    for line in shell_lines(&read(CLI)) {
        let Some((before, arguments)) = line.split_once("prism-conformance ") else { continue };
        if line.starts_with("cargo") {
            continue;
        }
        // The line is parsed by a shell, as the reader's is.
        let program = env!("CARGO_BIN_EXE_prism-conformance");
        // There is no server and no mutant: the exit code still shows if the line is valid, without waiting for a run.
        let arguments = arguments
            .replace("127.0.0.1:8980", NOWHERE)
            .replace("--only GetShowsExpiredItems", "--only None");
        let command = format!("{before}'{program}' {arguments}");
        let mut shell = Command::new("/bin/sh");
        // With an empty PATH no example server is found, whatever is installed.
        let output =
            shell.args(["-c", &command]).current_dir(&folder).env("PATH", "").output().expect("a shell runs");
        let stderr = String::from_utf8_lossy(&output.stderr);
        let expected = match arguments.split(' ').next() {
            Some("run" | "replay") => 3,
            Some("selftest") if stderr.contains("no mutant matches") => 2,
            Some(_) | None => 0,
        };
        assert_eq!(output.status.code(), Some(expected), "{line}\n{stderr}");
        ran += 1;
    }
    assert!(ran >= 14, "only {ran} commands");
}

#[test]
fn a_mutant_can_be_served() {
    let none = Command::new(example("serve_mutant")).arg("NoSuchMutant").output().expect("the example runs");
    assert_eq!(none.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&none.stderr).contains("GetShowsExpiredItems"));
}

/// Path of an example, which cargo builds beside the tests.
fn example(name: &str) -> PathBuf {
    let tests = std::env::current_exe().expect("the path of the test is known");
    tests
        .ancestors()
        .nth(2)
        .expect("the test is in a folder of the target directory")
        .join("examples")
        .join(name)
}
