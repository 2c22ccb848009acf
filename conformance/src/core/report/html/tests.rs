//! The HTML page: its content, and escaping of hostile input.

use super::*;
use crate::core::report::fixture;

const HOSTILE: &str = "</pre><script>alert(1)</script><img src=x onerror='alert(2)'>\" onload=\"alert(3)";

/// A report with hostile text in every field that a server or a command line controls.
fn hostile() -> Report {
    let mut report = fixture::report();
    report.target.name = HOSTILE.to_owned();
    report.target.mode = HOSTILE.to_owned();
    report.target.details = vec![(HOSTILE.to_owned(), HOSTILE.to_owned())];
    report.sentence = HOSTILE.to_owned();
    report.problems = vec![HOSTILE.to_owned()];
    report.likely_causes = vec![HOSTILE.to_owned()];
    report.run.reproduce = HOSTILE.to_owned();
    report.run.started = HOSTILE.to_owned();
    for rule in &mut report.requirements {
        rule.reason = Some(HOSTILE.to_owned());
    }
    for case in &mut report.cases {
        for text in [&mut case.reason, &mut case.expected, &mut case.actual, &mut case.replay_shrunk] {
            *text = Some(HOSTILE.to_owned());
        }
        case.transcript = Some(format!("put {HOSTILE}\n→ get\n    {HOSTILE}\n    ^ actual:   {HOSTILE}\n"));
        case.likely_causes = vec![HOSTILE.to_owned(), format!("{HOSTILE}: {HOSTILE}")];
        case.replay = HOSTILE.to_owned();
        for name in [HOSTILE.to_owned(), format!("{HOSTILE}.html")] {
            let (path, content) = (Some(HOSTILE.into()), HOSTILE.to_owned());
            case.attachments.push(crate::core::report::Attachment { name, path, content });
        }
    }
    report
}

#[test]
fn text_from_a_server_never_becomes_markup() {
    let (harmless, hostile) = (html(&fixture::report()), html(&hostile()));
    for tag in ["<script", "onerror='", "onload=\"", "<img", "</script"] {
        assert_eq!(hostile.matches(tag).count(), harmless.matches(tag).count(), "{tag}");
    }
    assert!(hostile.matches("&lt;script&gt;alert(1)&lt;/script&gt;").count() > 100);
}

#[test]
fn a_page_loads_nothing_from_the_network() {
    let page = html(&fixture::report());
    for outside in ["src=\"http", "href=\"http", "url(", "@import", "<link rel=\"stylesheet"] {
        assert!(!page.contains(outside), "{outside}");
    }
    assert!(page.contains("default-src 'none'"));
}

#[test]
fn every_link_of_a_page_has_exactly_one_target() {
    let page = html(&fixture::report());
    let links = page.split("href=\"#").skip(1).filter_map(|rest| rest.split('"').next());
    for link in links {
        assert_eq!(page.matches(&format!(" id=\"{link}\"")).count(), 1, "{link}");
    }
}

#[test]
fn a_page_starts_with_the_verdict_and_has_the_details_of_each_case() {
    let report = fixture::report();
    let page = html(&report);
    let at = |text: &str| page.find(text).unwrap_or_else(|| panic!("{text} is missing"));
    let order = [
        "</span>Not conformant</h1>",
        "9 passed",
        "<h2 id=\"failures-title\">Failures</h2>",
        "<h2 id=\"inconclusive-title\">Inconclusive</h2>",
        "<h2 id=\"known-title\">Known failures</h2>",
        "<h2 id=\"rules-title\">Rules</h2>",
        "<h2 id=\"skipped-title\">Skipped</h2>",
        "<h2 id=\"slowest-title\">Slowest cases</h2>",
        "<h2 id=\"cases-title\">All cases</h2>",
        "<h2 id=\"contract-title\">The contract</h2>",
    ];
    let order = order.map(|text| if text == "9 passed" { at(&report.counts.line()) } else { at(text) });
    assert!(order.is_sorted(), "{order:?}");
    for case in &report.cases {
        at(&format!("<tr id=\"{}\">", case.id));
    }
    let failure = &page[at("id=\"failure:put::replaces_the_whole_item\"")..];
    let failure = &failure[..failure.find("</details>").expect("the element is closed")];
    for text in [
        "<a href=\"#PUT-1\">PUT-1</a> <span class=\"soft\">(must)</span> Put replaces the whole item",
        "<dt>expected</dt><dd><pre>&quot;k&quot;=<mark>&quot;new&quot;</mark></pre>",
        "<span class=\"here\">→ get $ns &quot;r&quot;</span>",
        "<li><code>KeepsTheOldValue</code> an overwrite changes the version alone</li>",
        "--only &#39;put::replaces_the_whole_item&#39; --seed 7 --budget quick</code></pre>",
    ] {
        assert!(failure.contains(text), "{text} is missing in {failure}");
    }
}

#[test]
fn a_conformant_run_has_no_failure_sections() {
    let mut report = fixture::report();
    report.cases.retain(|case| case.outcome == CaseOutcome::Passed);
    (report.verdict, report.problems) = (RunVerdict::Conformant, Vec::new());
    let page = html(&report);
    assert!(page.contains("</span>Conformant</h1>"));
    for absent in ["failures-title", "inconclusive-title", "known-title", "skipped-title"] {
        assert!(!page.contains(absent), "{absent}");
    }
}

#[test]
fn durations_are_human_readable() {
    for (millis, text) in
        [(0, "0 ms"), (999, "999 ms"), (1_204, "1.2 s"), (59_999, "59.9 s"), (61_000, "1 min 1 s")]
    {
        assert_eq!(span(millis), text);
    }
}

#[test]
fn an_attached_page_names_its_case_its_rules_the_target_and_the_seed() {
    let mut case = fixture::report().cases.swap_remove(1);
    let content = format!("<body>{}<p>Record</p>", crate::core::linearizability::CASE);
    case.attachments.push(crate::core::report::Attachment {
        name: "history.html".into(),
        path: None,
        content,
    });
    case.label_attachments("<server>", 7);
    let page = &case.attachments[0].content;
    let label =
        "Case <code>put::replaces_the_whole_item</code> · about PUT-1 · target &lt;server&gt; · seed 7";
    assert!(page.contains(label), "{page}");
}
