//! A valid request for each method of the served schema.

use prism_proto::control::v1 as control;
use prism_proto::keyvalue::v1 as pb;
use prism_proto::timeseries::v1 as ts;
use prost::Message;
use prost_types::{Duration, Timestamp};

/// The namespace of TimeSeries requests.
pub(crate) const TIMESERIES: &str = "t";

/// A valid request for the namespace `n`, or [`TIMESERIES`], encoded.
///
/// # Panics
/// If there is none, with the method's name: a new method needs a request here, and is then covered by the tests of callers,
/// of limits and of masking.
pub(crate) fn valid(method: &str) -> Vec<u8> {
    let (namespace, id) = ("n".to_owned(), "i".to_owned());
    let (events, series) = (TIMESERIES.to_owned(), "s".to_owned());
    // The first microsecond, in one bucket.
    let start = Some(Timestamp::default());
    let end = Some(Timestamp { seconds: 0, nanos: 1_000 });
    match method {
        "prism.keyvalue.v1.KeyValueService/Put" => {
            let items = vec![pb::Item { key: "k".into(), value: "v".into(), ..pb::Item::default() }];
            pb::PutRequest { namespace, id, items, ..pb::PutRequest::default() }.encode_to_vec()
        }
        "prism.keyvalue.v1.KeyValueService/Get" => {
            pb::GetRequest { namespace, id, ..pb::GetRequest::default() }.encode_to_vec()
        }
        "prism.keyvalue.v1.KeyValueService/Delete" => {
            let all = pb::key_predicate::Predicate::MatchAll(pb::MatchAll {});
            let predicate = Some(pb::KeyPredicate { predicate: Some(all) });
            pb::DeleteRequest { namespace, id, predicate, ..pb::DeleteRequest::default() }.encode_to_vec()
        }
        "prism.keyvalue.v1.KeyValueService/Scan" => {
            pb::ScanRequest { namespace, ..pb::ScanRequest::default() }.encode_to_vec()
        }
        "prism.keyvalue.v1.KeyValueService/Describe" => pb::DescribeRequest { namespace }.encode_to_vec(),
        "prism.control.v1.NamespaceService/CreateNamespace" => {
            control::CreateNamespaceRequest { namespace: Some(named(namespace)) }.encode_to_vec()
        }
        "prism.control.v1.NamespaceService/GetNamespace" => {
            control::GetNamespaceRequest { name: namespace }.encode_to_vec()
        }
        "prism.control.v1.NamespaceService/ListNamespaces" => {
            control::ListNamespacesRequest::default().encode_to_vec()
        }
        "prism.control.v1.NamespaceService/UpdateNamespace" => {
            let namespace = Some(control::Namespace { version: 1, ..named(namespace) });
            control::UpdateNamespaceRequest { namespace, update_mask: None }.encode_to_vec()
        }
        "prism.control.v1.NamespaceService/DeleteNamespace" => {
            // A version that it never has: the other methods need the namespace.
            control::DeleteNamespaceRequest { name: namespace, version: i64::MAX, force: false }
                .encode_to_vec()
        }
        "prism.control.v1.NamespaceService/WatchNamespaces" => {
            control::WatchNamespacesRequest::default().encode_to_vec()
        }
        "prism.timeseries.v1.TimeSeriesService/Append" => {
            let event = ts::Event { id: "e".into(), payload: "v".into(), ..ts::Event::default() };
            let all = vec![ts::SeriesEvent { series, event: Some(event) }];
            ts::AppendRequest { namespace: events, events: all }.encode_to_vec()
        }
        "prism.timeseries.v1.TimeSeriesService/Query" => {
            ts::QueryRequest { namespace: events, series, ..ts::QueryRequest::default() }.encode_to_vec()
        }
        "prism.timeseries.v1.TimeSeriesService/Tail" => {
            let from = Some(ts::tail_request::From::Now(ts::Now {}));
            ts::TailRequest { namespace: events, series, from, ..ts::TailRequest::default() }.encode_to_vec()
        }
        "prism.timeseries.v1.TimeSeriesService/ListSeries" => {
            ts::ListSeriesRequest { namespace: events, ..ts::ListSeriesRequest::default() }.encode_to_vec()
        }
        "prism.timeseries.v1.TimeSeriesService/Histogram" => {
            let bucket = Some(Duration { seconds: 1, nanos: 0 });
            let all = ts::HistogramRequest::default();
            ts::HistogramRequest { namespace: events, series, start, end, bucket, ..all }.encode_to_vec()
        }
        "prism.timeseries.v1.TimeSeriesService/DeleteEvents" => {
            ts::DeleteEventsRequest { namespace: events, series, all: true, ..Default::default() }
                .encode_to_vec()
        }
        "prism.timeseries.v1.TimeSeriesService/Describe" => {
            ts::DescribeRequest { namespace: events }.encode_to_vec()
        }
        new => panic!("{new} has no valid request; write one in proxy/tests/schema/requests.rs"),
    }
}

fn named(name: String) -> control::Namespace {
    control::Namespace { name, ..control::Namespace::default() }
}
