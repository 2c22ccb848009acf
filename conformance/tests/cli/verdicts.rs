//! Verdicts on a reachable server: conformant, not conformant, no case ran; and invalid command lines.

use crate::servers::{Discarding, Hanging, Sound, serve};
use crate::{prism_conformance, run_at};

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_server_is_conformant() {
    let server = serve(Sound::new()).await;
    let answer = run_at(server.address(), &[]).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("\nEvery case that applies to this target has passed"), "{}", answer.out);
    let numbers = counts(answer.last_line());
    assert!(numbers[0] > 300 && numbers[1] == 0, "{}", answer.last_line());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_everything_and_stores_nothing_is_not_conformant() {
    let server = serve(Discarding).await;
    let answer = run_at(server.address(), &["--jobs", "8"]).await;
    assert_eq!(answer.code, Some(1), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("\nNot conformant: "), "{}", answer.out);
    let numbers = counts(answer.last_line());
    assert!(numbers[1] > 200, "{}", answer.last_line());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_against_a_hanging_server_ends_soon() {
    let server = serve(Hanging).await;
    let answer = run_at(server.address(), &["--jobs", "16", "--only", "put", "--only", "round_trip"]).await;
    assert_eq!(answer.code, Some(1), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("no answer within 10s"), "{}", answer.out);
    let numbers = counts(answer.last_line());
    assert!(numbers[0] == 0 && (12..=28).contains(&numbers[1]), "{}", answer.last_line());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_without_cases_proves_nothing() {
    let server = serve(Sound::new()).await;
    // First no case has the name; then the one case cannot run, as this server does not expose its database's settings.
    let answer = run_at(server.address(), &["--only", "nothing*"]).await;
    let expected = "'nothing*' matches no case, group or rule; `prism-conformance list` shows them all\n";
    assert_eq!((answer.code, answer.err.as_str()), (Some(4), expected), "{}", answer.out);
    let answer = run_at(server.address(), &["--only", "durability::is_what_the_database_is_set_to"]).await;
    assert_eq!(answer.code, Some(4), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("No case ran, so nothing is proved."), "{}", answer.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalid_command_line_is_refused() {
    for (arguments, why) in [
        (&["run"][..], "--endpoint <URL>"),
        (&["run", "--endpoint", "a", "--spawn", "b"], "cannot be used with"),
        (&["run", "--endpoint", "ftp://h:1"], "'ftp://…' is not the address of a server"),
        (&["run", "--endpoint", "http://h:1", "--skip", "putt"], "'putt' matches no case"),
        (&["run", "--endpoint", "http://h:1", "--only", "put", "--only", "putt"], "'putt' matches no case"),
        (&["run", "--endpoint", "http://h:1", "--jobs", "0"], "--jobs"),
        (&["run", "--endpoint", "http://h:1", "--known-failing", "no/such/file"], "--known-failing"),
        (&["run", "--endpoint", "http://h:1", "--tls-ca", "no/such/file"], "--tls-ca: no/such/file"),
        (&["run", "--spawn", "a 'b"], "a single quote is not closed"),
    ] {
        let answer = prism_conformance(arguments).await;
        assert_eq!(answer.code, Some(2), "{arguments:?}: {}{}", answer.out, answer.err);
        assert!(answer.err.contains(why), "{arguments:?}: {}", answer.err);
    }
}

/// The counts of passed, failed and skipped in a run's last line.
fn counts(line: &str) -> [usize; 3] {
    let counts: Vec<_> = line.split(", ").collect();
    let [passed, failed, skipped] = counts.as_slice() else { panic!("not the last line of a run: {line}") };
    let number = |count: &str, what: &str| {
        let number =
            count.strip_suffix(what).unwrap_or_else(|| panic!("'{count}' does not end with '{what}'"));
        number.parse().unwrap()
    };
    [number(passed, " passed"), number(failed, " failed"), number(skipped, " skipped")]
}
