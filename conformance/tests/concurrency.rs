//! The concurrent cases pass reliably on a correct store, and catch stores with races.

mod racing {
    pub(crate) mod durable;
    pub(crate) mod flawed;
}

use std::sync::Mutex;

use prism_conformance::keyvalue::{InProcess, KeyValue, cases};
use prism_conformance::run::{CaseResult, Settings, Verdict, run_case};
use prism_conformance::{Budget, Harness, Kind, OpenError};
use prism_contract::keyvalue::{KeyValueBackend, Memory};
use racing::durable::{CrashLoss, Journaled};
use racing::flawed::{Flaw, Flawed};

fn harness<B: KeyValueBackend>(open: impl Fn() -> B + Send + Sync + 'static) -> impl Harness<KeyValue> {
    InProcess::new("store", move || {
        let store = open();
        async { Ok::<_, OpenError>(store) }
    })
}

/// Result of the case on a store with this flaw. The case ends at the first fault; the budget is for unlucky machines.
async fn result(flaw: Flaw, case: &str) -> CaseResult<KeyValue> {
    let case = cases::by_id(case).expect("a case of the suite");
    let settings = Settings { budget: Budget::Soak, ..Settings::default() };
    run_case(&harness(move || Flawed::new(flaw)), case, settings).await
}

async fn is_caught(flaw: Flaw, by: &[&str]) {
    for case in by {
        let result = result(flaw, case).await;
        assert!(matches!(result.verdict, Verdict::Failed(_)), "{flaw:?} by {case}: {:?}", result.verdict);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_correct_store_passes_twenty_times_in_a_row() {
    let harness = harness(Memory::default);
    for seed in 1..=20 {
        for case in cases::all().filter(|case| case.kind == Kind::History) {
            let result = run_case(&harness, case, Settings { seed, ..Settings::default() }).await;
            let skipped = matches!(result.verdict, Verdict::Skipped(_));
            assert!(skipped || result.verdict == Verdict::Passed, "{}: {:?}", case.id, result.verdict);
        }
    }
}

#[tokio::test]
async fn the_clients_overlap_on_a_single_threaded_runtime_too() {
    let case = cases::by_id("linearizable::reads_and_writes").expect("a case of the suite");
    let result = run_case(&harness(Memory::default), case, Settings::default()).await;
    assert_eq!(result.verdict, Verdict::Passed);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stale_reads_are_caught() {
    is_caught(
        Flaw::StaleReads,
        &["linearizable::reads_and_writes", "hunts::versions_rise_in_the_order_of_visibility"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn puts_that_are_not_atomic_are_caught() {
    let by = [
        "linearizable::reads_and_writes",
        "hunts::a_get_sees_one_moment",
        "hunts::no_scan_message_holds_half_a_put",
        "hunts::a_range_delete_takes_a_put_whole",
    ];
    is_caught(Flaw::TornPuts, &by).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletes_that_are_not_atomic_are_caught() {
    is_caught(
        Flaw::TornDeletes,
        &["linearizable::reads_and_writes", "hunts::a_range_delete_takes_a_put_whole"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn gets_of_several_moments_are_caught() {
    is_caught(Flaw::TornGets, &["linearizable::reads_and_writes", "hunts::a_get_sees_one_moment"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checking_before_writing_is_caught() {
    let by = [
        "linearizable::conditional_writes",
        "concurrency::one_conditional_put_wins",
        "concurrency::one_put_if_absent_wins",
        "concurrency::increments_add_up",
    ];
    is_caught(Flaw::RacingCheck, &by).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn comparing_tokens_before_writing_is_caught() {
    is_caught(Flaw::RacingTokens, &["linearizable::writes_with_tokens", "hunts::the_highest_token_wins"])
        .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn lost_updates_are_caught() {
    let by = ["linearizable::reads_and_writes", "concurrency::increments_add_up"];
    is_caught(Flaw::LostUpdates, &by).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn pages_by_offset_are_caught() {
    is_caught(Flaw::PagesByOffset, &["moving_pages::get_neither_misses_nor_repeats"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deletes_that_are_answered_early_are_caught() {
    is_caught(
        Flaw::EarlyDelete,
        &["linearizable::reads_and_writes", "hunts::deleted_items_are_gone_at_once"],
    )
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn deadlocks_are_caught() {
    is_caught(Flaw::LocksInRequestOrder, &["concurrency::opposite_orders_do_not_deadlock"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_lock_for_all_records_is_caught() {
    is_caught(Flaw::OneLock, &["concurrency::a_stalled_client_holds_no_one_up"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_attaches_its_history_and_marks_the_answer() {
    let result = result(Flaw::StaleReads, "linearizable::reads_and_writes").await;
    let Verdict::Failed(divergence) = result.verdict else { panic!("{:?}", result.verdict) };
    let text = result.transcript.render(Some(&divergence));
    assert_eq!(text.matches("→ ").count(), 1, "{text}");
    assert!(text.contains(&format!("^ expected: {}", divergence.expected)), "{text}");
    let [(name, page)] = &*result.attachments else { panic!("{} attachments", result.attachments.len()) };
    assert_eq!(name, "history.html");
    assert!(page.contains("This history is not linearizable"), "{page}");
}

const ACROSS_A_CRASH: [&str; 2] = ["crash::histories_stay_linearizable", "crash::leaves_writes_whole"];

async fn across_a_crash(loss: CrashLoss, case: &str, budget: Budget) -> Verdict {
    let harness = InProcess::durable(
        "journaled",
        || Ok(Mutex::default()),
        move |journal| async move { Ok(Journaled::open(journal, loss).await) },
    );
    let case = cases::by_id(case).expect("a case of the suite");
    run_case(&harness, case, Settings { budget, ..Settings::default() }).await.verdict
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_that_survives_crashes_passes() {
    for case in ACROSS_A_CRASH {
        assert_eq!(across_a_crash(CrashLoss::Nothing, case, Budget::Ci).await, Verdict::Passed, "{case}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_that_loses_acknowledged_writes_is_caught() {
    for case in ACROSS_A_CRASH {
        let verdict = across_a_crash(CrashLoss::TheLast, case, Budget::Soak).await;
        assert!(matches!(verdict, Verdict::Failed(_)), "{case}: {verdict:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crash_that_leaves_half_a_write_is_caught() {
    for case in ACROSS_A_CRASH {
        let verdict = across_a_crash(CrashLoss::Half, case, Budget::Soak).await;
        assert!(matches!(verdict, Verdict::Failed(_)), "{case}: {verdict:?}");
    }
}
