//! The texts of failures: values as the wire has them, and the store's own words.

use async_trait::async_trait;
use futures::{StreamExt, stream};
use prism_conformance::keyvalue::mutants::{kill_matrix, mutants};
use prism_conformance::keyvalue::{InProcess, KeyValue, cases};
use prism_conformance::known::KnownFailures;
use prism_conformance::report::{CaseOutcome, CaseReport, case_report};
use prism_conformance::run::{Settings, Verdict, run_case};
use prism_conformance::{Abstraction, Case, Harness, Kind, Outcome};
use prism_contract::keyvalue::{KeyValueBackend, Memory, Put, PutResult};
use prism_contract::{Error, Lifecycle, forward};

/// The number of cases per seeded bug.
const CASES_PER_MUTANT: usize = 4;

/// The beginnings of Rust's debug forms, which no text of the suite has for another reason.
const DEBUG_FORMS: [&str; 11] =
    ["Some(", "None", "Ok(", "Err(", "Timestamp(", "Key(", "RecordId(", " { ", "[(", " b\"", "us, "];

/// The expected and the actual text of a case on a mutant, without the message of the store's own status.
async fn texts(mutant: &'static str, case: &'static Case<KeyValue>) -> Option<[String; 2]> {
    let mutant = mutants().find(|of| of.name == mutant)?;
    let result = run_case(&*KeyValue::flawed(mutant), case, Settings::default()).await;
    let Verdict::Failed(divergence) = result.verdict else { return None };
    let step = divergence.step.and_then(|step| result.transcript.steps.get(step));
    let own = match step.map(|step| &step.outcome) {
        Some(Outcome::Failed(failure)) if !failure.message.is_empty() => failure.message.as_str(),
        _ => "\0",
    };
    Some([divergence.expected, divergence.actual.replace(own, "")])
}

#[tokio::test(flavor = "multi_thread")]
async fn no_failure_on_a_mutant_shows_a_debug_form() {
    let pairs = mutants().filter(|mutant| !mutant.wire).flat_map(|mutant| {
        let fails =
            |case: &&Case<KeyValue>| case.kind != Kind::History && kill_matrix().fails(mutant.name, case.id);
        cases::all().filter(fails).take(CASES_PER_MUTANT).map(|case| (mutant.name, case))
    });
    let found: Vec<_> = stream::iter(pairs)
        .map(|(mutant, case)| async move { (mutant, case.id, texts(mutant, case).await) })
        .buffered(8)
        .collect()
        .await;
    let failed = found.iter().filter(|(.., texts)| texts.is_some()).count();
    assert!(failed > 300, "only {failed} failures");
    for (mutant, case, texts) in found {
        for text in texts.into_iter().flatten() {
            let form = DEBUG_FORMS.iter().find(|form| text.contains(**form));
            assert_eq!(form, None, "{case} on {mutant}: {text}");
        }
    }
}

/// A backend whose Puts fail in one way; everything else works.
struct Faulty(Memory, fn() -> Error);

impl Lifecycle for Faulty {
    forward!(Lifecycle: self => self.0, [check, sweep, close]);
}

#[async_trait]
impl KeyValueBackend for Faulty {
    forward!(KeyValueBackend: self => self.0, [capabilities, get, delete, scan]);

    async fn put(&self, _: Put) -> Result<Vec<PutResult>, Error> {
        Err((self.1)())
    }
}

/// An error with a source.
#[derive(Debug)]
struct PageError(std::io::Error);

impl std::fmt::Display for PageError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("page 7 cannot be written")
    }
}

impl std::error::Error for PageError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.0)
    }
}

/// The report of a failed case whose first step is a Put.
async fn failed(harness: &dyn Harness<KeyValue>) -> CaseReport {
    let case = cases::by_id("put::leaves_nothing_of_a_longer_value").expect("a case of the suite");
    let result = run_case(harness, case, Settings::default()).await;
    let report = case_report(&result, &KnownFailures::default(), String::new(), false);
    assert_eq!(report.outcome, CaseOutcome::Failed, "{:?}", report.reason);
    report
}

/// The backend opened in this process.
fn in_process(put: fn() -> Error) -> impl Harness<KeyValue> {
    InProcess::new("faulty", move || async move { Ok(Faulty(Memory::default(), put)) })
}

#[tokio::test]
async fn an_internal_error_in_process_shows_its_causes() {
    let put = || Error::internal(PageError(std::io::Error::other("no space\nleft")));
    let transcript = failed(&in_process(put)).await.transcript.unwrap_or_default();
    let expected = "\
→ put $ns \"r\" \"k\"=\"a long value\"
    INTERNAL
    caused by: page 7 cannot be written
    caused by: no space\\nleft
    ^ expected: OK
    ^ actual:   INTERNAL (internal error; the server's log has the cause)
";
    assert_eq!(transcript, expected);
}

#[tokio::test]
async fn a_panic_in_process_shows_its_message_and_its_place() {
    const LINE: u32 = line!() + 1;
    let report = failed(&in_process(|| panic!("page {} is torn", 7))).await;
    let actual = report.actual.unwrap_or_default();
    let place = format!("a panic at {}:{LINE}:", file!());
    assert!(actual.starts_with(&place) && actual.ends_with(": page 7 is torn"), "{actual}");
}

/// A server with a log, over gRPC.
#[cfg(feature = "cli")]
mod server {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use async_trait::async_trait;
    use prism_conformance::OpenError;
    use prism_conformance::keyvalue::wire::Served;
    use prism_conformance::keyvalue::{EdgeStore, KeyValue};
    use prism_conformance::wire::{Drain, Gateway, Remote};
    use prism_contract::Error;
    use prism_contract::keyvalue::Memory;
    use tonic::service::InterceptorLayer;
    use tonic::transport::server::TcpIncoming;

    use super::{Faulty, failed};

    type Log = Arc<Mutex<Vec<u8>>>;

    /// The log of the one server of this test, since a fault is a function.
    static LOG: Mutex<Option<Log>> = Mutex::new(None);

    fn write(log: &Log, text: &str) {
        log.lock().expect("a log").extend_from_slice(text.as_bytes());
    }

    /// Logs a traceback, as a server in Python does, and fails.
    fn traceback() -> Error {
        let log = LOG.lock().expect("a log").clone().expect("a running server");
        write(
            &log,
            "Traceback (most recent call last):\n  File \"server.py\", line 7, in Put\nKeyError: 'k'\n",
        );
        Error::internal("KeyError")
    }

    struct Logging {
        address: String,
        log: Log,
    }

    #[async_trait]
    impl Gateway for Logging {
        fn addresses(&self) -> Vec<String> {
            vec![self.address.clone()]
        }

        async fn advance(&self, _: Duration) {}

        fn log_length(&self) -> Option<u64> {
            Some(self.log.lock().expect("a log").len() as u64)
        }

        fn log_since(&self, start: u64) -> Option<Vec<u8>> {
            Some(self.log.lock().expect("a log")[usize::try_from(start).expect("a length")..].to_vec())
        }
    }

    /// Starts a server that logs the id of each request.
    async fn start() -> Result<Logging, OpenError> {
        let log = Log::default();
        write(&log, "before the call\n");
        *LOG.lock().expect("a log") = Some(Arc::clone(&log));
        let backend = Arc::new(Faulty(Memory::default(), traceback));
        let store = Arc::new(EdgeStore::new(backend, Arc::default()));
        let incoming = TcpIncoming::bind(([127, 0, 0, 1], 0).into()).map_err(OpenError::new)?;
        let address = incoming.local_addr().map_err(OpenError::new)?.to_string();
        let of_calls = Arc::clone(&log);
        let ids = InterceptorLayer::new(move |request: tonic::Request<()>| -> Result<_, tonic::Status> {
            let id = request.metadata().get("x-request-id").and_then(|id| id.to_str().ok()).unwrap_or("none");
            write(&of_calls, &format!("id={id} call\n"));
            Ok(request)
        });
        let server = tonic::transport::Server::builder()
            .layer(ids)
            .add_routes(KeyValue::routes(store, Drain::default()));
        tokio::spawn(server.serve_with_incoming(incoming));
        Ok(Logging { address, log })
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_log_lines_of_a_failed_call_are_beside_it() {
        let report = failed(&Served::new("logging", start)).await;
        let transcript = report.transcript.unwrap_or_default();
        let lines: Vec<_> = transcript.lines().filter_map(|line| line.strip_prefix("    | ")).collect();
        let [heading, line, during, traceback @ ..] = &lines[..] else { panic!("{transcript}") };
        let id = line.strip_prefix("id=").and_then(|line| line.strip_suffix(" call")).unwrap_or_default();
        assert!(id.starts_with("conformance-") && id.ends_with("-00000001"), "{transcript}");
        assert_eq!(*heading, format!("server log, lines with x-request-id {id}:"));
        assert_eq!(*during, "server log, lines written during the call:");
        assert_eq!(
            traceback,
            ["Traceback (most recent call last):", "  File \"server.py\", line 7, in Put", "KeyError: 'k'"]
        );
    }
}
