//! Several gateways on one database: the clients are distributed over them, and gateways that do not share their data are
//! caught.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use prism_conformance::keyvalue::{EdgeStore, KeyValue, Store, cases};
use prism_conformance::run::{Settings, Verdict, run_case};
use prism_conformance::{Abilities, Ability, Budget, Harness, Instance, ManualClock, OpenError};
use prism_contract::keyvalue::{Capabilities, KeyValueBackend, Memory};

/// Two gateways on one backend, or wrongly on two.
struct Gateways(fn() -> [Arc<dyn KeyValueBackend>; 2]);

struct Open(Vec<Arc<dyn Store>>);

#[async_trait]
impl Harness<KeyValue> for Gateways {
    fn name(&self) -> &'static str {
        "gateways"
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::ALL
    }

    fn abilities(&self) -> Abilities {
        Abilities::NONE.with(Ability::Gateways)
    }

    async fn open(&self) -> Result<Box<dyn Instance<KeyValue>>, OpenError> {
        let clock = Arc::new(ManualClock::default());
        let store = |backend| Arc::new(EdgeStore::new(backend, Arc::clone(&clock))) as Arc<dyn Store>;
        Ok(Box::new(Open((self.0)().map(store).into())))
    }
}

#[async_trait]
impl Instance<KeyValue> for Open {
    fn store(&self) -> Arc<dyn Store> {
        Arc::clone(&self.0[0])
    }

    fn gateways(&self) -> Vec<Arc<dyn Store>> {
        self.0.clone()
    }

    async fn advance(&self, _: Duration) {}
}

async fn through_several_gateways(open: fn() -> [Arc<dyn KeyValueBackend>; 2], budget: Budget) -> Verdict {
    let case = cases::by_id("linearizable::through_several_gateways").expect("a case of the suite");
    run_case(&Gateways(open), case, Settings { budget, ..Settings::default() }).await.verdict
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_share_their_data_pass() {
    let one = || {
        let shared: Arc<dyn KeyValueBackend> = Arc::new(Memory::default());
        [Arc::clone(&shared), shared]
    };
    assert_eq!(through_several_gateways(one, Budget::Quick).await, Verdict::Passed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gateways_that_do_not_share_their_data_are_caught() {
    let two = || [Arc::new(Memory::default()) as Arc<dyn KeyValueBackend>, Arc::new(Memory::default())];
    let verdict = through_several_gateways(two, Budget::Soak).await;
    assert!(matches!(verdict, Verdict::Failed(_)), "{verdict:?}");
}
