//! What a run makes of failures: groups, an early end, the failed cases again, known failures.

use std::fs;

use crate::run_at;
use crate::servers::{Discarding, Sound, serve};

#[tokio::test(flavor = "multi_thread")]
async fn many_failures_are_shown_by_group_and_the_basic_ones_first() {
    let server = serve(Discarding).await;
    let place = tempfile::tempdir().expect("a folder is created");
    let html = place.path().join("report.html");
    let path = html.display().to_string();
    let answer = run_at(server.address(), &["--only", "put", "--only", "round_trip", "--html", &path]).await;
    assert_eq!(answer.code, Some(1), "{}{}", answer.out, answer.err);
    let first = answer.out.find("── Group 1 of ").expect("there are groups");
    let heading = answer.out[first..].lines().next().unwrap_or_default();
    assert!(heading.contains(": mend this first, most cases depend on it"), "{heading}");
    assert!(answer.out.lines().count() < 110, "{}", answer.out);
    // All failures and their ids are beside the report.
    let saved = |name: &str| fs::read_to_string(place.path().join("report-failures").join(name));
    let ids = saved("failed.txt").expect("the ids are saved");
    let text = saved("failures.txt").expect("the failures are saved");
    assert!(ids.lines().count() > 20, "{ids}");
    assert_eq!(text.matches("FAILED: ").count(), ids.lines().count(), "{text}");
    // The file of ids selects these cases alone.
    let failed = format!("@{}", place.path().join("report-failures/failed.txt").display());
    let again = run_at(server.address(), &["--only", &failed]).await;
    assert!(
        again.last_line().starts_with(&format!("0 passed, {} failed", ids.lines().count())),
        "{}",
        again.out
    );
    let all = run_at(server.address(), &["--only", &failed, "--all-failures"]).await;
    assert_eq!(all.out.matches("FAILED: ").count(), ids.lines().count(), "{}", all.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_at_its_limit_of_failures_and_starts_with_the_basic_cases() {
    let server = serve(Discarding).await;
    let answer = run_at(server.address(), &["--fail-fast", "--jobs", "1"]).await;
    assert_eq!(answer.code, Some(1), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("FAILED: round_trip::every_byte_comes_back"), "{}", answer.out);
    assert!(answer.last_line().starts_with("0 passed, 1 failed, "), "{}", answer.out);
    let answer = run_at(server.address(), &["--max-failures", "5", "--jobs", "1"]).await;
    assert!(answer.last_line().contains(" 5 failed, "), "{}", answer.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn written_failures_are_known_in_the_next_run() {
    let server = serve(Discarding).await;
    let place = tempfile::tempdir().expect("a folder is created");
    let known = place.path().join("known.toml").display().to_string();
    let answer = run_at(server.address(), &["--only", "put", "--write-known", &known]).await;
    let failed = answer.last_line().split(", ").nth(1).and_then(|part| part.strip_suffix(" failed"));
    let failed = failed.expect("a number of failures").to_owned();
    assert!(failed.parse::<usize>().is_ok_and(|failed| failed > 5), "{}", answer.out);
    let answer = run_at(server.address(), &["--only", "put", "--known-failing", &known]).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    assert!(answer.last_line().contains(&format!(" 0 failed, {failed} known, ")), "{}", answer.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_core_profile_is_a_gate_and_names_what_it_left_out() {
    let server = serve(Sound::new()).await;
    let answer = run_at(server.address(), &["--profile", "core"]).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    let printed = answer.out.split_whitespace().collect::<Vec<_>>().join(" ");
    let left_out = "Not looked at: CONDITIONAL_WRITES, PRIORITY_TOKENS, EXPIRY, REVERSE, NAMESPACE_SCAN (";
    assert!(printed.contains("The core holds: ") && printed.contains(left_out), "{printed}");
    assert!(
        printed.contains("Durability is not shown, because this target cannot be restarted."),
        "{printed}"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_without_a_pattern_is_refused() {
    let place = tempfile::tempdir().expect("a folder is created");
    let empty = place.path().join("none.txt");
    fs::write(&empty, "# nothing\n\n").expect("the file is written");
    for (file, why) in
        [(empty.display().to_string(), "has no pattern"), ("no/such".to_owned(), "cannot be read")]
    {
        let answer = run_at("127.0.0.1:1", &["--only", &format!("@{file}")]).await;
        assert_eq!(answer.code, Some(2), "{}{}", answer.out, answer.err);
        assert!(answer.err.contains(why), "{}", answer.err);
    }
}
