//! PgBouncer in front of Postgres: session mode works without configuration; the other modes are detected and refused.

use futures::future::join_all;
use prism_backends::Postgres;
use prism_backends::postgres::{OpenError, Options};
use prism_contract::Lifecycle;
use prism_contract::keyvalue::{KeyValueBackend, Predicate, Put};
use prism_testkit::{Backend, Database, PoolMode, Pooler, lacks, skips};

use crate::common::{delete, get, put, record};

async fn database(test: &str) -> Option<Database> {
    if skips(Backend::Postgres, test) || lacks(&["pgbouncer"], test) {
        return None;
    }
    let server = prism_testkit::Postgres::shared().await.unwrap_or_else(|error| panic!("{error}"));
    Some(server.database().await.unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn through_a_pooler_in_session_mode_everything_works_without_any_setting() {
    let Some(database) =
        database("through_a_pooler_in_session_mode_everything_works_without_any_setting").await
    else {
        return;
    };
    let pooler = Pooler::before(database.url(), PoolMode::Session, "").unwrap();
    let store = Postgres::open(Options::new(pooler.url())).await.unwrap_or_else(|error| panic!("{error}"));
    let puts = (0..50).map(|n| store.put(Put { id: record(&format!("r{n}")), ..put("a", "1") }));
    join_all(puts).await.into_iter().collect::<Result<Vec<_>, _>>().unwrap();
    store.put(put("a", "1")).await.unwrap();
    let all = get(Predicate::All);
    let reads = join_all((0..30).map(|_| store.get(&all))).await;
    assert!(reads.into_iter().all(|page| page.unwrap().items.len() == 1));
    assert_eq!(store.delete(delete(Predicate::All)).await.unwrap(), 1);
    store.check().await.unwrap();
    assert!(store.settings().await.unwrap().are_durable());
    store.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_pooler_that_changes_connections_between_transactions_is_refused_with_the_remedy() {
    let test = "a_pooler_that_changes_connections_between_transactions_is_refused_with_the_remedy";
    let Some(database) = database(test).await else { return };
    for mode in [PoolMode::Transaction, PoolMode::Statement] {
        for settings in [
            "",
            "default_pool_size = 1",
            "server_round_robin = 1",
            "min_pool_size = 5\nserver_round_robin = 1",
        ] {
            let pooler = Pooler::before(database.url(), mode, settings).unwrap();
            let Err(error) = Postgres::open(Options::new(pooler.url())).await else {
                panic!("{mode:?} with {settings:?} was opened");
            };
            assert!(matches!(error, OpenError::Pooled { .. }), "{mode:?} with {settings:?}: {error}");
            assert!(error.to_string().contains("pool_mode = session"), "{error}");
        }
    }
}
