//! `explain`: a case, a rule or a mutant, with its rules, cases and seeded bugs.

use prism_conformance::core::Contract;
use prism_conformance::mutation::Mutant;
use prism_conformance::{Abstraction, Case};
use prism_contract::{Level, Requirement, Scope};

use crate::list::needs;
use crate::output::{eprint, print};
use crate::{OK, USAGE};

pub(crate) fn explain<A: Abstraction>(id: &str) -> u8 {
    let contract = A::CONTRACT;
    let rule = (contract.requirements)().iter().find(|rule| rule.id.eq_ignore_ascii_case(id));
    if let Some(case) = A::case(id) {
        print(of_case(contract, case));
    } else if let Some(rule) = rule {
        print(of_rule::<A>(rule));
    } else if let Some(mutant) = contract.mutant(id) {
        print(of_mutant::<A>(mutant));
    } else {
        eprint(format_args!("'{id}' is not a case, rule or mutant; `list` and `matrix` show them all"));
        return USAGE;
    }
    OK
}

fn of_case<A: Abstraction>(contract: Contract, case: &Case<A>) -> String {
    let mut text = format!("{} ({:?}{})\n  {}\n\nproves\n", case.id, case.kind, needs(case), case.title);
    for rule in (contract.requirements)().iter().filter(|rule| case.proves.contains(&rule.id.as_str())) {
        text += &format!("  {} ({}): {}\n", rule.id, level(rule), rule.text);
    }
    let kill_matrix = (contract.kill_matrix)();
    text + &catches(contract, |mutant| kill_matrix.fails(mutant.name, case.id), "catches these seeded bugs")
}

fn of_rule<A: Abstraction>(rule: &Requirement) -> String {
    let mut text = format!("{} ({}, {})\n  {}\n", rule.id, rule.area, level(rule), rule.text);
    if let Some(capability) = &rule.capability {
        text += &format!("  It applies only to servers that declare {capability}.\n");
    }
    match rule.scope {
        Scope::Wire => text += "  It can be observed only over gRPC.\n",
        Scope::Store => {}
    }
    if let Some(why) = &rule.untestable {
        text += &format!("  Untestable: {why}\n");
    }
    text += "\nproved by\n";
    for case in A::cases().filter(|case| case.proves.contains(&rule.id.as_str())) {
        text += &format!("  {}: {}\n", case.id, case.title);
    }
    let breaks = |mutant: &Mutant| mutant.breaks.contains(&rule.id.as_str());
    text + &catches(A::CONTRACT, breaks, "seeded bugs that break it")
}

fn of_mutant<A: Abstraction>(mutant: &Mutant) -> String {
    let mut text = format!(
        "{}\n  {}\n  breaks {}\n\ncaught by\n",
        mutant.name,
        mutant.description,
        mutant.breaks.join(", ")
    );
    let kill_matrix = (A::CONTRACT.kill_matrix)();
    for case in A::cases().filter(|case| kill_matrix.fails(mutant.name, case.id)) {
        text += &format!("  {}\n", case.id);
    }
    text
}

fn catches(contract: Contract, which: impl Fn(&Mutant) -> bool, heading: &str) -> String {
    let lines: String = (contract.mutants)()
        .into_iter()
        .filter(|mutant| which(mutant))
        .flat_map(|mutant| ["  ", mutant.name, ": ", mutant.description, "\n"])
        .collect();
    if lines.is_empty() { String::new() } else { format!("\n{heading}\n{lines}") }
}

fn level(rule: &Requirement) -> &'static str {
    match rule.level {
        Level::Must => "must",
        Level::Should => "should",
    }
}
