//! The counts of calls: by method and status, and by namespace.

use std::fmt;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use prism_backends::observe::Histogram;
use prism_contract::Namespace;
use prism_wire::status::code_name;
use tonic::Code;

use super::namespaces::Namespaces;
use super::page::Page;

/// The statuses of gRPC, by number.
pub(super) const CODES: usize = 17;
/// The name that stands for methods which are not of a Prism service.
const OTHER_METHODS: &str = "other";
/// The label of namespaces that have no series under their names.
pub(super) const OTHER_NAMESPACES: &str = "other";

/// The counts of a server's calls.
pub(crate) struct Calls {
    /// By the index of the method; the last stands for all others.
    methods: Vec<MethodCalls>,
    namespaces: Namespaces,
}

struct MethodCalls {
    name: &'static str,
    started: AtomicU64,
    /// Their times in microseconds, by status.
    ended: [Histogram; CODES],
}

/// A call that has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EndedCall<'a> {
    /// The index of its method; `None`: not of a Prism service.
    pub(crate) method: Option<usize>,
    /// Its status.
    pub(crate) code: Code,
    /// Its namespace, if its request was read and valid.
    pub(crate) namespace: Option<&'a Namespace>,
    /// From its request's head to its status.
    pub(crate) time: Duration,
    /// Whether it is a stream that ends with its client: its time says nothing about the server.
    pub(crate) is_endless: bool,
}

impl Calls {
    /// Of methods with these names, and with series for at most so many namespaces.
    pub(super) fn new(methods: Vec<&'static str>, namespaces: usize) -> Self {
        let namespaces = Namespaces::new(namespaces, methods.len());
        let of = |name| MethodCalls {
            name,
            started: AtomicU64::default(),
            ended: std::array::from_fn(|_| Histogram::new(Histogram::MICROS)),
        };
        Self { methods: methods.into_iter().chain([OTHER_METHODS]).map(of).collect(), namespaces }
    }

    fn method(&self, index: Option<usize>) -> &MethodCalls {
        &self.methods[index.unwrap_or(self.methods.len() - 1)]
    }

    /// Counts a call that begins.
    pub(crate) fn begin(&self, method: Option<usize>) {
        self.method(method).started.fetch_add(1, Ordering::Relaxed);
    }

    /// Counts a call that has ended.
    pub(crate) fn end(&self, call: EndedCall<'_>) {
        self.method(call.method).ended[call.code as usize].record_time(call.time);
        if let (Some(method), Some(namespace)) = (call.method, call.namespace) {
            // A caller who is refused must not choose the names of series.
            let refused = matches!(call.code, Code::Unauthenticated | Code::PermissionDenied);
            let time = (!call.is_endless).then_some(call.time);
            self.namespaces.record(namespace, !refused, |counts| counts.record(method, call.code, time));
        }
    }

    /// Adds the metrics of all calls.
    pub(super) fn write(&self, page: &mut Page<'_>) -> fmt::Result {
        let started = |method: &MethodCalls| method.started.load(Ordering::Relaxed);
        let used: Vec<_> = self.methods.iter().filter(|method| started(method) > 0).collect();
        let ended: Vec<_> = used
            .iter()
            .flat_map(|method| {
                method.ended.iter().enumerate().map(|(code, times)| (*method, code, times.distribution()))
            })
            .filter(|(_, _, times)| times.count() > 0)
            .collect();
        // Read after the ends: more may have begun since, but none has ended that has not begun.
        page.counter(
            "grpc_server_call_started",
            "Calls that began, also those still in flight",
            used.iter().map(|method| ([("grpc_method", method.name)], started(method))),
        )?;
        let in_flight = used.iter().map(|method| {
            let ended: u64 = ended
                .iter()
                .filter(|(of, _, _)| of.name == method.name)
                .map(|(_, _, times)| times.count())
                .sum();
            ([("grpc_method", method.name)], started(method).saturating_sub(ended))
        });
        page.gauge("prism_calls_in_flight", "Calls that have begun and not ended", in_flight)?;
        page.seconds(
            "grpc_server_call_duration_seconds",
            "Time of calls, from the request's head to the status",
            ended.iter().map(|(method, code, times)| {
                ([("grpc_method", method.name), ("grpc_status", status(*code))], times.clone())
            }),
        )?;
        self.write_namespaces(page)
    }

    fn write_namespaces(&self, page: &mut Page<'_>) -> fmt::Result {
        let counted = self.namespaces.counts();
        let calls = counted.iter().flat_map(|(namespace, counts)| {
            counts.calls().map(move |(method, code, count)| {
                let labels = [
                    ("namespace", namespace.as_str()),
                    ("grpc_method", self.methods[method].name),
                    ("grpc_status", status(code)),
                ];
                (labels, count)
            })
        });
        page.counter(
            "prism_namespace_calls",
            "Calls of the busiest namespaces; of all others: other",
            calls,
        )?;
        page.seconds(
            "prism_namespace_call_duration_seconds",
            "Time of calls of the busiest namespaces, without Tails; of all others: other",
            counted.iter().map(|(namespace, counts)| ([("namespace", namespace.as_str())], counts.times())),
        )
    }
}

fn status(code: usize) -> &'static str {
    code_name(Code::from_i32(i32::try_from(code).unwrap_or_default()))
}
