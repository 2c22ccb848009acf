//! `--abstraction timeseries`: servers with the policies of the suite, with one policy of their own, without DELETE, and of
//! another abstraction.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures::stream::BoxStream;
use prism_conformance::timeseries::policies::POLICIES;
use prism_conformance::timeseries::{EdgeStore, Governed, Store, TailMessages, TimeSeries};
use prism_conformance::wire::Server;
use prism_conformance::{Failure, ManualClock};
use prism_contract::timeseries::request::{
    AppendRequest, AppendResponse, DeleteEventsRequest, DeleteEventsResponse, DescribeRequest,
    DescribeResponse, HistogramRequest, HistogramResponse, ListSeriesRequest, ListSeriesResponse,
    QueryRequest, QueryResponse, TailRequest,
};
use prism_contract::timeseries::{Capability, Memory, Policy, Window};

use crate::servers::{Sound as SoundKeyValue, serve as serve_keyvalue};
use crate::{prism_conformance, run_at};

/// The reference backend on the real clock, which may describe another policy or fewer capabilities than it has.
struct Sound {
    store: EdgeStore,
    clock: Arc<ManualClock>,
    /// When the clock was last set.
    set: Mutex<Instant>,
    describes: fn(&mut DescribeResponse),
}

impl Sound {
    fn new(describes: fn(&mut DescribeResponse)) -> Self {
        let clock = Arc::new(ManualClock::default());
        let store = EdgeStore::new(&Governed::new(Memory::default()), Arc::clone(&clock));
        Self { store, clock, set: Mutex::new(Instant::now()), describes }
    }

    /// The store, with its clock set to the current time.
    fn now(&self) -> &EdgeStore {
        let mut set = self.set.lock().unwrap();
        let passed = Duration::from_micros(u64::try_from(set.elapsed().as_micros()).unwrap());
        self.clock.advance(passed);
        *set += passed;
        &self.store
    }
}

#[async_trait]
impl Store for Sound {
    async fn append(&self, request: AppendRequest) -> Result<AppendResponse, Failure> {
        self.now().append(request).await
    }

    async fn query(
        &self,
        request: QueryRequest,
        messages: Option<usize>,
    ) -> Result<Vec<QueryResponse>, Failure> {
        self.now().query(request, messages).await
    }

    async fn query_messages(
        &self,
        request: QueryRequest,
    ) -> Result<BoxStream<'static, Result<QueryResponse, Failure>>, Failure> {
        self.now().query_messages(request).await
    }

    async fn tail(&self, request: TailRequest) -> Result<Box<dyn TailMessages>, Failure> {
        self.now().tail(request).await
    }

    async fn list_series(
        &self,
        request: ListSeriesRequest,
        messages: Option<usize>,
    ) -> Result<Vec<ListSeriesResponse>, Failure> {
        self.now().list_series(request, messages).await
    }

    async fn histogram(&self, request: HistogramRequest) -> Result<Vec<HistogramResponse>, Failure> {
        self.now().histogram(request).await
    }

    async fn delete_events(&self, request: DeleteEventsRequest) -> Result<DeleteEventsResponse, Failure> {
        self.now().delete_events(request).await
    }

    async fn describe(&self, request: DescribeRequest) -> Result<DescribeResponse, Failure> {
        let mut description = self.now().describe(request).await?;
        (self.describes)(&mut description);
        Ok(description)
    }
}

async fn serve(describes: fn(&mut DescribeResponse)) -> Server {
    Server::start::<TimeSeries>(Arc::new(Sound::new(describes))).await.expect("the server starts")
}

/// `run --abstraction timeseries` at this address.
async fn run(server: &Server, more: &[&str]) -> crate::Answer {
    run_at(server.address(), &[&["--abstraction", "timeseries", "--jobs", "16"], more].concat()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_the_policies_of_the_suite_is_tested_with_them() {
    let server = serve(|_| {}).await;
    let answer = run(&server, &["--only", "acceptance"]).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    assert!(!answer.out.contains("do not have the suite's policies"), "{}", answer.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_another_policy_is_told_which_and_what_is_needed() {
    let server = serve(|description| {
        let (past, future) = (Some(Duration::from_hours(24)), Some(Duration::from_hours(1)));
        description.policy = Policy { window: Window { past, future }, ..Policy::default() };
    })
    .await;
    let answer = run(&server, &["--only", "acceptance", "--only", "query"]).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    let why = "this target's namespaces do not have the suite's policies: 'free-conformance' has retention for ever, \
               accept_past 86400s and accept_future 3600s, and the case needs retention for ever, accept_past unlimited and \
               accept_future unlimited; `explain policies` prints the configuration";
    let text = answer.out.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(text.contains(why), "{}", answer.out);
}

#[tokio::test]
async fn a_server_of_another_abstraction_is_no_server_to_test() {
    let server = serve_keyvalue(SoundKeyValue::new()).await;
    let answer = run(&server, &[]).await;
    assert_eq!((answer.code, answer.out.as_str()), (Some(3), ""), "{}", answer.err);
    let why = "speaks gRPC but answers UNIMPLEMENTED to /prism.timeseries.v1.TimeSeriesService/Describe, so it is not a \
               TimeSeries server of Prism";
    assert!(answer.err.contains(why), "{}", answer.err);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_run_names_the_series_that_it_leaves_and_deletes_them_if_it_can() {
    let server = serve(|_| {}).await;
    let left = run(&server, &["--only", "append::every_byte_comes_back"]).await;
    assert_eq!(left.code, Some(0), "{}{}", left.out, left.err);
    assert!(left.out.contains("left 2 series in 2 namespaces named free-conformance-"), "{}", left.out);
    assert!(left.out.contains("; with --clean a run deletes what it wrote\n"), "{}", left.out);
    let cleaned = run(&server, &["--only", "append::every_byte_comes_back", "--clean"]).await;
    assert_eq!(cleaned.code, Some(0), "{}{}", cleaned.out, cleaned.err);
    assert!(cleaned.out.contains("deleted 2 series in 2 namespaces named free-"), "{}", cleaned.out);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_without_delete_cannot_be_cleaned() {
    let server = serve(|description| {
        description.capabilities = description.capabilities.without(Capability::Delete);
    })
    .await;
    let answer = run(&server, &["--only", "append::every_byte_comes_back", "--clean"]).await;
    assert_eq!(answer.code, Some(0), "{}{}", answer.out, answer.err);
    assert!(
        answer.out.contains("; it does not declare DELETE, so a run cannot delete them\n"),
        "{}",
        answer.out
    );
}

#[tokio::test]
async fn the_policies_are_printed_as_a_configuration() {
    let answer = prism_conformance(&["explain", "--abstraction", "timeseries", "policies"]).await;
    assert_eq!(answer.code, Some(0), "{}", answer.err);
    for policy in POLICIES {
        let rule = format!("    - match: {}*\n      abstraction: timeseries\n", policy.prefix);
        assert!(answer.out.contains(&rule), "{}", answer.out);
    }
    let kept = "      retention: 3600s\n      accept_past: 1800s\n      accept_future: 300s\n";
    assert!(answer.out.contains(kept), "{}", answer.out);
}
