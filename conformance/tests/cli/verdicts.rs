//! Where there is a server: conformant or not, proved or not, and what cannot be run at all.

use crate::servers::{Careless, Silent, Sound, serve};
use crate::{prism_conformance, run_at};

#[tokio::test(flavor = "multi_thread")]
async fn a_sound_server_is_conformant() {
    let server = serve(Sound::new()).await;
    let answer = run_at(server.address(), &[]).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("\nEvery case that this target allows has passed"), "{}", answer.out);
    let numbers = counts(answer.last_line());
    assert!(numbers[0] > 300 && numbers[1] == 0, "{}", answer.last_line());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_accepts_everything_and_stores_nothing_is_not_conformant() {
    let server = serve(Careless).await;
    let answer = run_at(server.address(), &["--jobs", "8"]).await;
    assert_eq!(answer.code, Some(1), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("\nNot conformant: "), "{}", answer.out);
    let numbers = counts(answer.last_line());
    assert!(numbers[1] > 200, "{}", answer.last_line());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_ends_soon_after_a_server_has_fallen_silent() {
    let server = serve(Silent).await;
    let answer = run_at(server.address(), &["--jobs", "16", "--only", "put", "--only", "round_trip"]).await;
    assert_eq!(answer.code, Some(1), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("no answer within 10s"), "{}", answer.out);
    let numbers = counts(answer.last_line());
    assert!(numbers[0] == 0 && (12..=28).contains(&numbers[1]), "{}", answer.last_line());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_of_nothing_proves_nothing() {
    let server = serve(Sound::new()).await;
    // There is no such case; and there is one, but this server does not tell its database's settings.
    let answer = run_at(server.address(), &["--only", "nothing*"]).await;
    let wanted = "'nothing*' names no case, group or rule; `prism-conformance list` shows what there is\n";
    assert_eq!((answer.code, answer.err.as_str()), (Some(4), wanted), "{}", answer.out);
    let answer = run_at(server.address(), &["--only", "durability::is_what_the_database_is_set_to"]).await;
    assert_eq!(answer.code, Some(4), "{}{}", answer.out, answer.err);
    assert!(answer.out.contains("No case ran, so nothing is proved."), "{}", answer.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_line_that_cannot_be_meant_is_refused() {
    for (arguments, why) in [
        (&["run"][..], "--endpoint <URL>"),
        (&["run", "--endpoint", "a", "--spawn", "b"], "cannot be used with"),
        (&["run", "--endpoint", "ftp://h:1"], "'ftp://…' is not the address of a server"),
        (&["run", "--endpoint", "http://h:1", "--skip", "putt"], "'putt' names no case"),
        (&["run", "--endpoint", "http://h:1", "--only", "put", "--only", "putt"], "'putt' names no case"),
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

/// Passed, failed and skipped, of a run's last line.
fn counts(line: &str) -> [usize; 3] {
    let counts: Vec<_> = line.split(", ").collect();
    let [passed, failed, skipped] = counts.as_slice() else { panic!("not the last line of a run: {line}") };
    let number = |count: &str, what: &str| {
        let number = count.strip_suffix(what).unwrap_or_else(|| panic!("'{count}' in place of '…{what}'"));
        number.parse().unwrap()
    };
    [number(passed, " passed"), number(failed, " failed"), number(skipped, " skipped")]
}
