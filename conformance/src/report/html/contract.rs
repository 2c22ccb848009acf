//! The contract itself, so that a link to a rule leads somewhere also for a reader who has nothing but the page.

use super::{Section, markdown};

/// The book's page about the contract.
const CONTRACT: &str = include_str!("../../../../docs/contract.md");

pub(super) fn section() -> Section {
    // The page's own heading says what the first line says.
    let text = CONTRACT.split_once('\n').map_or(CONTRACT, |(_, rest)| rest);
    let body = format!("<div class=\"contract\">\n{}</div>\n", markdown::html(text));
    Section { id: "contract", title: "The contract", count: None, body }
}

#[cfg(test)]
mod tests {
    use prism_contract::keyvalue::requirements;

    use super::*;
    use crate::report::html::escape::with_code;

    #[test]
    fn every_rule_has_its_anchor_and_its_words() {
        let body = section().body;
        for rule in requirements() {
            let id = &rule.id;
            let place = format!("<p id=\"{id}\"><strong>{id}</strong> {}", with_code(&rule.text));
            assert!(body.contains(&place), "{place}");
        }
    }

    #[test]
    fn every_link_leads_to_a_place_on_the_page_and_no_markdown_is_left() {
        let body = section().body;
        for link in body.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
            assert!(body.contains(&format!("id=\"{link}\"")), "#{link} leads nowhere");
        }
        for left in ["**", "](", "```", "<a id", "| ---"] {
            assert!(!body.contains(left), "{left} is left");
        }
    }
}
