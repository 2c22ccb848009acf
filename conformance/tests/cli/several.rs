//! `run --endpoint` given more than once: gateways on the same data, and invalid combinations of addresses.

use std::sync::Arc;

use prism_conformance::keyvalue::KeyValue;
use prism_conformance::wire::Server;

use crate::servers::{Sound, serve};
use crate::{Answer, prism_conformance};

const CASE: &str = "linearizable::through_several_gateways";

async fn run_at_both(one: &str, other: &str) -> Answer {
    let endpoints = ["--endpoint", one, "--endpoint", other];
    prism_conformance(&[&["run", "--budget", "quick", "--trace", "--only", CASE], &endpoints[..]].concat())
        .await
}

fn url(server: &Server) -> String {
    format!("http://{}", server.address())
}

#[tokio::test(flavor = "multi_thread")]
async fn gateways_on_the_same_data_are_tested_together_and_the_output_counts_the_operations() {
    let store = Arc::new(Sound::new());
    let one = Server::start::<KeyValue>(Arc::<Sound>::clone(&store)).await.unwrap();
    let other = Server::start::<KeyValue>(store).await.unwrap();
    let (one, other) = (url(&one), url(&other));
    let answer = run_at_both(&one, &other).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    let note = answer.out.lines().find_map(|line| line.trim_start().strip_prefix("note: linearizable: "));
    let words: Vec<_> = note.unwrap_or_else(|| panic!("{}", answer.out)).split(' ').collect();
    let [operations, "operations", "in", histories, "histories"] = words[..] else { panic!("{words:?}") };
    let (operations, histories): (usize, usize) = (operations.parse().unwrap(), histories.parse().unwrap());
    // Four clients, twelve operations each.
    assert!(histories >= 2);
    assert_eq!(operations, histories * 48);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_given_twice_is_refused() {
    let server = serve(Sound::new()).await;
    let address = url(&server);
    let answer = run_at_both(&address, &address).await;
    let expected = format!("the address {address} is given twice\n");
    assert_eq!((answer.code, answer.err, answer.out.as_str()), (Some(2), expected, ""));
}

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_do_not_share_their_data_are_refused_before_the_run() {
    let (one, other) = (serve(Sound::new()).await, serve(Sound::new()).await);
    let (one, other) = (url(&one), url(&other));
    let answer = run_at_both(&one, &other).await;
    let expected = format!(
        "{other} does not read what {one} has acknowledged, so they are not gateways on the same data\n"
    );
    assert_eq!((answer.code, answer.err, answer.out.as_str()), (Some(2), expected, ""));
}
