//! The groups of cases: the table of rules by groups, and the anchors that its cells lead to.

use std::fmt::Write;

use prism_contract::Requirement;

use crate::core::{Abstraction, Case};

/// The group of a case: the part of its id before `::`.
pub(super) fn group<A: Abstraction>(case: &Case<A>) -> &'static str {
    case.id.split_once("::").map_or(case.id, |(group, _)| group)
}

/// The cases that prove a rule, group by group, otherwise in the suite's order.
pub(super) fn proofs<A: Abstraction>(rule: &Requirement) -> Vec<&'static Case<A>> {
    let mut proofs: Vec<_> = A::cases().filter(|case| case.proves.contains(&rule.id.as_str())).collect();
    proofs.sort_by_key(|case| A::cases().position(|other| group(other) == group(case)));
    proofs
}

/// The anchor of a rule's first case of a group.
pub(super) fn anchor_of_group(rule: &Requirement, group: &str) -> String {
    format!("{}.{group}", rule.id)
}

/// The anchor of a case. Colons would have to be escaped in some viewers.
pub(super) fn anchor_of_case(id: &str) -> String {
    id.replace("::", ".")
}

/// Table of all rules by all groups. A cell holds the number of cases, with a link to them; book.css keeps the rules in view.
pub(super) fn table<A: Abstraction>(text: &mut String) {
    let mut groups = Vec::new();
    for case in A::cases() {
        if !groups.contains(&group(case)) {
            groups.push(group(case));
        }
    }
    text.push_str(
        "## Rules and cases\n\nThe number of cases of each group that prove a rule. A rule leads to the contract, a number to \
         its cases.\n\n<div class=\"matrix\">\n\n",
    );
    let _ = writeln!(text, "| rule | all | {} |", groups.join(" | "));
    let _ = writeln!(text, "| --- | ---: |{}", " ---: |".repeat(groups.len()));
    let mut area = "";
    for rule in (A::CONTRACT.requirements)() {
        if rule.area != area {
            area = &rule.area;
            let _ = writeln!(text, "| **{area}** | |{}", " |".repeat(groups.len()));
        }
        row::<A>(text, rule, &groups);
    }
    text.push_str("\n</div>\n");
}

fn row<A: Abstraction>(text: &mut String, rule: &Requirement, groups: &[&str]) {
    let proofs = proofs::<A>(rule);
    let section = rule.id.to_lowercase();
    let _ = write!(text, "| [{0}](contract.md#{0}) | [{1}](#{section}) |", rule.id, proofs.len());
    for of in groups {
        let _ = match proofs.iter().filter(|case| group(case) == *of).count() {
            0 => write!(text, " |"),
            count => write!(text, " [{count}](#{}) |", anchor_of_group(rule, of)),
        };
    }
    text.push('\n');
}
