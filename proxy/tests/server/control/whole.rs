//! No call has half a definition while definitions change.

use futures::future::join_all;
use prism_contract::keyvalue::request::{GetRequest, PutRequest};
use prism_proto::control::v1::{Namespace, Policy};
use tonic::Code;

use super::{Admin, gateway, put_in, seconds, with_policy};
use crate::support::{Mode, Steered, get, refusal, until};

/// Each namespace changes between two policies while calls run: a long value is allowed only by the one whose ttl is 200 s.
async fn no_call_has_half_a_definition(namespaces: usize, calls: usize) {
    const POLICIES: [(u64, i64); 2] = [(100, 100), (200, 200)];
    let main = Steered::new(Mode::Works);
    let servers = [gateway(&main).await, gateway(&main).await];
    let policy =
        |(max_value_bytes, ttl)| Policy { max_value_bytes, default_ttl: seconds(ttl), ..Policy::default() };
    let names: Vec<_> = (0..namespaces).map(|number| format!("n{number}")).collect();
    let mut admin = Admin::of(&servers[0]).await;
    for name in &names {
        admin.create(with_policy(name, policy(POLICIES[0]))).await.unwrap();
    }
    let last = i64::try_from(namespaces).unwrap();
    let mut watchers = [Admin::of(&servers[0]).await, Admin::of(&servers[1]).await];
    let watched = join_all(watchers.iter_mut().map(|watcher| watcher.watch(0, last))).await;
    assert!(watched.iter().all(|(changes, _)| changes.len() == namespaces));
    let clients = [servers[0].client().await, servers[1].client().await];
    until("the second gateway has all", async || {
        clients[1].put(put_in(names.last().unwrap(), 1)).await.is_ok()
    })
    .await;

    let done = std::sync::atomic::AtomicBool::new(false);
    let update = async {
        let mut updates = 0_usize;
        while !done.load(std::sync::atomic::Ordering::Relaxed) {
            let name = &names[updates % namespaces];
            let version = admin.get(name).await.unwrap().version;
            let next = policy(POLICIES[(updates / namespaces + 1) % 2]);
            admin.update(Namespace { version, ..with_policy(name, next) }, &[]).await.unwrap();
            updates += 1;
        }
        updates
    };
    let call = async |worker: usize| {
        let (client, mut seen) = (&clients[worker % 2], [0_usize; 2]);
        for number in 0..calls / 32 {
            let namespace = &names[(worker * 31 + number * 7) % namespaces];
            // A record of the worker alone.
            let request = PutRequest { id: format!("w{worker}"), ..put_in(namespace, 150) };
            match client.put(request).await {
                Ok(_) => {
                    let request =
                        GetRequest { namespace: namespace.clone(), id: format!("w{worker}"), ..get() };
                    let item = client.get(request).await.unwrap().items.remove(0);
                    let ttl = item.expires_at.unwrap().as_micros() - item.updated_at.as_micros();
                    assert_eq!(ttl, 200_000_000, "a long value with the short ttl");
                    seen[1] += 1;
                }
                Err(error) => {
                    assert_eq!(refusal::<()>(Err(error)).code, Code::InvalidArgument);
                    seen[0] += 1;
                }
            }
        }
        seen
    };
    let work = async {
        let seen = join_all((0..32).map(call)).await;
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        seen.into_iter().fold([0, 0], |sum, seen| [sum[0] + seen[0], sum[1] + seen[1]])
    };
    let (updates, seen) = tokio::join!(update, work);
    assert!(updates > 10 && seen.iter().all(|calls| *calls > 0), "{updates} {seen:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_has_a_whole_definition_while_definitions_change() {
    no_call_has_half_a_definition(20, 4_000).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the same with 1,000 namespaces and 100,000 calls, for two minutes"]
async fn a_call_has_a_whole_definition_while_a_thousand_definitions_change() {
    no_call_has_half_a_definition(1_000, 100_000).await;
}
