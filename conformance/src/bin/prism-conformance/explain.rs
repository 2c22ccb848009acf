//! `explain`: a case, a rule or a mutant, with its rules, cases and seeded bugs.

use prism_conformance::keyvalue::mutants::{kill_matrix, mutants};
use prism_conformance::keyvalue::{Case, cases};
use prism_conformance::mutation::Mutant;
use prism_contract::keyvalue::requirements;
use prism_contract::{Level, Requirement, Scope};

use crate::list::needs;
use crate::output::{eprint, print};
use crate::{OK, USAGE};

pub(crate) fn explain(id: &str) -> u8 {
    let rule = requirements().iter().find(|rule| rule.id.eq_ignore_ascii_case(id));
    if let Some(case) = cases::by_id(id) {
        print(of_case(case));
    } else if let Some(rule) = rule {
        print(of_rule(rule));
    } else if let Some(mutant) = mutants().find(|mutant| mutant.name == id) {
        print(of_mutant(mutant));
    } else {
        eprint(format_args!("'{id}' is not a case, rule or mutant; `list` and `matrix` show them all"));
        return USAGE;
    }
    OK
}

fn of_case(case: &Case) -> String {
    let mut text = format!("{} ({:?}{})\n  {}\n\nproves\n", case.id, case.kind, needs(case), case.title);
    for rule in requirements().iter().filter(|rule| case.proves.contains(&rule.id.as_str())) {
        text += &format!("  {} ({}): {}\n", rule.id, level(rule), rule.text);
    }
    text + &catches(|mutant| kill_matrix().fails(mutant.name, case.id), "catches these seeded bugs")
}

fn of_rule(rule: &Requirement) -> String {
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
    for case in cases::all().filter(|case| case.proves.contains(&rule.id.as_str())) {
        text += &format!("  {}: {}\n", case.id, case.title);
    }
    text + &catches(|mutant| mutant.breaks.contains(&rule.id.as_str()), "seeded bugs that break it")
}

fn of_mutant(mutant: &Mutant) -> String {
    let mut text = format!(
        "{}\n  {}\n  breaks {}\n\ncaught by\n",
        mutant.name,
        mutant.description,
        mutant.breaks.join(", ")
    );
    for case in cases::all().filter(|case| kill_matrix().fails(mutant.name, case.id)) {
        text += &format!("  {}\n", case.id);
    }
    text
}

fn catches(which: impl Fn(&Mutant) -> bool, heading: &str) -> String {
    let lines: String = mutants()
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
