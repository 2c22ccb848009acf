//! The matrix as a documentation page: every rule, the cases that prove it, and the mutants that they catch.

mod groups;

use std::fmt::Write;

use prism_contract::Requirement;

use self::groups::{anchor_of_case, anchor_of_group, group};
use super::{KillMatrix, Mutant};
use crate::core::{Abstraction, Case, Contract};

/// The page of `recorded`: `docs/conformance-matrix.md`.
pub fn matrix_markdown<A: Abstraction>(recorded: &KillMatrix) -> String {
    let mut text = String::from(
        "# The conformance matrix\n\n\
         <!-- Made by `cargo xtask docs` from the cases, the mutants and the recorded kill matrix; do not edit. -->\n\n",
    );
    let _ = writeln!(
        text,
        "{} rules, {} cases, {} mutants.\n",
        (A::CONTRACT.requirements)().len(),
        A::cases().count(),
        (A::CONTRACT.mutants)().len()
    );
    text.push_str(
        "The suite is held against itself: each [mutant](#mutants) is a correct store with one wrong line, and at least one \
         case that cites the rule it breaks must fail on it, each time. A store without a flaw passes every case. Properties \
         catch mutants too, but with one seed and perhaps not with the next, so what they catch is not recorded.\n\n",
    );
    groups::table::<A>(&mut text);
    rules::<A>(&mut text, recorded);
    catalogue::<A>(&mut text, recorded);
    raw_servers(&mut text, A::CONTRACT);
    text
}

/// Section per rule: the cases that prove it by group, and the mutants that they catch.
fn rules<A: Abstraction>(text: &mut String, recorded: &KillMatrix) {
    let (mut area, mut anchored) = ("", Vec::new());
    for rule in (A::CONTRACT.requirements)() {
        if rule.area != area {
            area = &rule.area;
            let _ = writeln!(text, "\n## {area}");
        }
        let _ = writeln!(text, "\n### {}\n\n{} ([contract](contract.md#{}))\n", rule.id, rule.text, rule.id);
        let proofs: Vec<_> = groups::proofs::<A>(rule);
        if let Some(why) = &rule.untestable {
            let _ = writeln!(text, "Untestable: {why}\n");
        }
        if proofs.is_empty() && rule.untestable.is_none() {
            let _ = writeln!(text, "No case proves it yet.\n");
        }
        let mut last = "";
        for case in &proofs {
            text.push_str("- ");
            if group(case) != last {
                last = group(case);
                let _ = write!(text, "<a id=\"{}\"></a>", anchor_of_group(rule, last));
            }
            // A case proves several rules; links lead to its first mention.
            if !anchored.contains(&case.id) {
                anchored.push(case.id);
                let _ = write!(text, "<a id=\"{}\"></a>", anchor_of_case(case.id));
            }
            let _ = writeln!(text, "`{}`: {}{}", case.id, case.title, caught(case, rule, recorded));
        }
        let missed: Vec<_> = breaking(A::CONTRACT, rule)
            .filter(|mutant| !proofs.iter().any(|case| recorded.fails(mutant.name, case.id)))
            .map(link_to_mutant)
            .collect();
        if !missed.is_empty() {
            let _ = writeln!(text, "\nNot caught by a case of this rule: {}.", missed.join(", "));
        }
    }
}

/// The mutants of this rule that the case catches.
fn caught<A: Abstraction>(case: &Case<A>, rule: &Requirement, recorded: &KillMatrix) -> String {
    let names = breaking(A::CONTRACT, rule).filter(|mutant| recorded.fails(mutant.name, case.id));
    let names: Vec<_> = names.map(link_to_mutant).collect();
    if names.is_empty() { String::new() } else { format!(" Catches {}.", names.join(", ")) }
}

fn breaking(contract: Contract, rule: &Requirement) -> impl Iterator<Item = &'static Mutant> {
    let id = rule.id.clone();
    (contract.mutants)().into_iter().filter(move |mutant| mutant.breaks.contains(&id.as_str()))
}

fn link_to_mutant(mutant: &Mutant) -> String {
    format!("[`{0}`](#{0})", mutant.name)
}

fn link_to_case<A: Abstraction>(case: &Case<A>) -> String {
    format!("[`{}`](#{})", case.id, anchor_of_case(case.id))
}

fn link_to_rule(rule: &str) -> String {
    format!("[{rule}](contract.md#{rule})")
}

/// The mutants by the area of the first rule that they break: the bug, the broken rules, and the cases that catch it. A list,
/// because ids of cases are too long for a table; with headings, because a search ranks sections, and short ones better.
fn catalogue<A: Abstraction>(text: &mut String, recorded: &KillMatrix) {
    text.push_str(
        "\n## Mutants\n\nEach with the rules that it breaks, the cases of these rules that fail on it, and the number of all \
         cases that fail.\n",
    );
    let mut areas: Vec<&str> = Vec::new();
    for rule in (A::CONTRACT.requirements)() {
        if areas.last() != Some(&rule.area.as_str()) {
            areas.push(&rule.area);
        }
    }
    for area in areas {
        let of_area =
            |mutant: &&Mutant| mutant.breaks.first().and_then(|id| area_of(A::CONTRACT, id)) == Some(area);
        let _ = writeln!(text, "\n### Mutants: {area}\n");
        for mutant in (A::CONTRACT.mutants)().into_iter().filter(of_area) {
            mutant_entry::<A>(text, mutant, recorded);
        }
    }
}

/// The area of the rule with this id.
fn area_of(contract: Contract, id: &str) -> Option<&'static str> {
    (contract.requirements)().iter().find(|rule| rule.id == id).map(|rule| rule.area.as_str())
}

fn mutant_entry<A: Abstraction>(text: &mut String, mutant: &Mutant, recorded: &KillMatrix) {
    let (name, description) = (mutant.name, mutant.description);
    let breaks: Vec<_> = mutant.breaks.iter().map(|rule| link_to_rule(rule)).collect();
    let citing = A::cases().filter(|case| mutant.is_cited_by(case));
    let killers: Vec<_> = citing.filter(|case| recorded.fails(name, case.id)).map(link_to_case).collect();
    let _ = write!(text, "- <a id=\"{name}\"></a>`{name}`: {description} Breaks {}.", breaks.join(", "));
    let _ = match (killers.is_empty(), mutant.wire) {
        (false, _) => {
            writeln!(text, " Caught by {}; {} fail.", killers.join(", "), recorded.failures(name))
        }
        (true, true) => writeln!(text, " Seen only through a socket, so that no store shows it."),
        (true, false) => writeln!(text, " Not caught by a case of these rules."),
    };
}

/// Table of the rules that only a raw server can break.
fn raw_servers(text: &mut String, contract: Contract) {
    text.push_str(
        "\n## Rules that take a server to break\n\n| rule | why no store can break it |\n| --- | --- |\n",
    );
    for wire in contract.wire_only {
        let _ = writeln!(text, "| {} | {} |", link_to_rule(wire.rule), wire.reason);
    }
}
