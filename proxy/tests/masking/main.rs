//! Fields with `pii` or `mask_in_logs` in the schema stay secret (ERR-2): marked values in every such field, through every
//! method, with every kind of outcome, at every log level and in both log formats, appear in no log line, error or audit log.
//!
//! The gateway is a separate process, so that its log is the one of `prism serve`: this program, started again (`gateway`).

mod calls;
mod gateway;
mod marks;
#[path = "../schema/mod.rs"]
mod schema;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::sync::Arc;

use libtest_mimic::{Arguments, Failed, Trial};
use prism_proto::options::PiiKind;
use prism_proxy::config::{LogFormat, LogLevel, Logging};
use proptest::test_runner::{Config, TestRunner};

use self::calls::{Marked, Outcome};
use self::gateway::Gateway;
use self::marks::{Mark, Output};
use self::schema::fields::paths;

const LEVELS: [(&str, LogLevel); 6] = [
    ("off", LogLevel::Off),
    ("error", LogLevel::Error),
    ("warn", LogLevel::Warn),
    ("info", LogLevel::Info),
    ("debug", LogLevel::Debug),
    ("trace", LogLevel::Trace),
];
const FORMATS: [(&str, LogFormat); 2] = [("text", LogFormat::Text), ("json", LogFormat::Json)];

fn main() {
    if let Some(settings) = gateway::Settings::of_environment() {
        return gateway::run(&settings);
    }
    let trials = LEVELS.into_iter().flat_map(|(level_name, level)| {
        FORMATS.map(|(format_name, format)| {
            let name = format!("no_marked_value_leaves_a_gateway_that_logs_{format_name}_at_{level_name}");
            Trial::test(name, move || check(Logging { level, format, ..Logging::default() }))
        })
    });
    libtest_mimic::run(&Arguments::from_args(), trials.collect()).exit();
}

/// The fields of all requests whose values are secret, each with a place for a mark.
fn secret_fields() -> Vec<Marked> {
    let fields = schema::methods().into_iter().flat_map(|method| {
        let secret = paths(&method.request).into_iter().filter(|path| {
            let options = path.options();
            options.mask_in_logs || options.pii != PiiKind::Unspecified
        });
        secret.map(|path| (Arc::new(method.clone()), path)).collect::<Vec<_>>()
    });
    fields.enumerate().map(|(index, (method, path))| Marked { method, path, index }).collect()
}

fn check(logging: Logging) -> Result<(), Failed> {
    let fields = secret_fields();
    let marks: Vec<_> = fields.iter().map(|field| marks::mark(field.is_text())).collect();
    let config = Config { cases: 2, max_shrink_iters: 16, failure_persistence: None, ..Config::default() };
    let incomplete = RefCell::new(BTreeSet::new());
    let run = TestRunner::new(config).run(&marks, |marks| {
        let runtime = tokio::runtime::Runtime::new()?;
        let Found { leaks, untested } = runtime.block_on(exercise(logging, &fields, &marks));
        incomplete.borrow_mut().extend(untested);
        proptest::prop_assert!(leaks.is_empty(), "{leaks:#?}");
        Ok(())
    });
    run.map_err(|why| Failed::from(why.to_string()))?;
    let incomplete = incomplete.into_inner();
    if incomplete.is_empty() {
        Ok(())
    } else {
        Err(format!("not everything was tested: {incomplete:#?}").into())
    }
}

/// What is wrong after a run.
struct Found {
    /// Where marks are.
    leaks: Vec<String>,
    /// Outcomes and lines that did not occur, so that they cannot have shown a mark.
    untested: Vec<String>,
}

/// Calls a new gateway with the marks, and searches its outputs.
async fn exercise(logging: Logging, fields: &[Marked], marks: &[Mark]) -> Found {
    let gateway = Gateway::start(logging);
    let channel = gateway.channel().await;
    let outcomes = calls::make_all(&channel, fields, marks).await;
    drop(channel);
    let (log, audit) = gateway.stop();
    let mut untested = calls::unreached(fields, &outcomes);
    untested.extend(silent(logging, &log, &audit, &outcomes));
    let errors = outcomes.into_iter().flat_map(|outcome| {
        let place = format!("{} {}", outcome.method, outcome.scenario);
        outcome
            .shown
            .into_iter()
            .map(move |(part, bytes)| Output { place: format!("{part} of {place}"), bytes })
    });
    let own = [("the log", log), ("the audit log", audit)];
    let own = own.map(|(place, bytes)| Output { place: place.to_owned(), bytes });
    let outputs: Vec<_> = own.into_iter().chain(errors).collect();
    let leaks = marks.iter().zip(fields).flat_map(|(mark, field)| {
        let name = format!("{} of {}", field.path.name(), field.method.name);
        mark.find_in(&outputs).into_iter().map(move |found| format!("{name} {found}"))
    });
    Found { leaks: leaks.take(20).collect(), untested }
}

/// Whether the logs have the lines of the calls, without which they could not show a mark.
fn silent(logging: Logging, log: &[u8], audit: &[u8], outcomes: &[Outcome]) -> Vec<String> {
    let count = |text: &[u8], part: &str| String::from_utf8_lossy(text).matches(part).count();
    let mut problems = Vec::new();
    let (in_log, in_audit) = (count(log, "duration_ms"), count(audit, "\"latency_us\""));
    let is_complete = match logging.level {
        LogLevel::Off => log.is_empty(),
        LogLevel::Error | LogLevel::Warn => in_log > 0 && count(log, "withheld") > 0,
        LogLevel::Info | LogLevel::Debug | LogLevel::Trace => in_log >= outcomes.len(),
    };
    if !is_complete || count(log, "left out") > 0 {
        problems.push(format!(
            "the log has {in_log} lines of {} calls: {}",
            outcomes.len(),
            String::from_utf8_lossy(log)
        ));
    }
    if in_audit < outcomes.len() / 2 {
        problems.push(format!("the audit log has {in_audit} lines of {} calls", outcomes.len()));
    }
    problems
}
