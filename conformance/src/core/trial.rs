//! The suite as tests of `cargo test` and nextest: one trial per case, by libtest-mimic.
//!
//! Listing the trials starts nothing: capabilities and abilities are static, so a case that cannot run is known in advance
//! and is shown as ignored, with the reason in brackets.

use std::collections::BTreeMap;
use std::io::{self, Write};
use std::num::NonZero;
use std::process::ExitCode;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Instant;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::known::KnownFailures;
use super::plan::{Glob, Omission, Selection};
use super::report::{
    CaseOutcome, CaseReport, Files, Replay, RunInfo, Target, case_report, failure, failures_folder, not_run,
    omitted, report as assemble, utc_now,
};
use super::run::{Obstacle, Settings, run_case};
use super::{Abstraction, Budget, Case, Harness, Kind};

/// The harnesses and the name of one test target.
pub struct Suite<A: Abstraction> {
    replay: Replay,
    harnesses: Vec<Arc<dyn Harness<A>>>,
    results: Results,
}

/// The reports of the cases that ran, by harness and case.
type Results = Arc<Mutex<BTreeMap<(String, &'static str), CaseReport>>>;

impl<A: Abstraction> Suite<A> {
    /// A suite without a harness, in the test target `test` of `package`.
    pub fn of_test(package: &str, test: &str) -> Self {
        let (package, test) = (package.to_owned(), test.to_owned());
        let replay = Replay::Cargo { package, test, features: String::new() };
        Self { replay, harnesses: Vec::new(), results: Results::default() }
    }

    /// Sets the package features that the test requires: the replay command of a failure enables them.
    #[must_use]
    pub fn needing(mut self, required: &str) -> Self {
        if let Replay::Cargo { features, .. } = &mut self.replay {
            required.clone_into(features);
        }
        self
    }

    /// Adds a harness.
    #[must_use]
    pub fn with(mut self, harness: impl Harness<A>) -> Self {
        self.harnesses.push(Arc::new(harness));
        self
    }

    /// All cases for all harnesses, slow cases first.
    ///
    /// # Panics
    /// If there are none, or if two harnesses share a name: a test that tests nothing must not pass.
    pub fn trials(&self, settings: Settings) -> Vec<Trial> {
        for (at, harness) in self.harnesses.iter().enumerate() {
            let name = harness.name();
            assert!(
                self.harnesses[..at].iter().all(|other| other.name() != name),
                "two harnesses are named {name}"
            );
        }
        let pairs = self.harnesses.iter().flat_map(|harness| A::cases().map(move |case| (harness, case)));
        let mut pairs: Vec<_> = pairs.collect();
        pairs.sort_by_key(|(_, case)| !case.may_take_long());
        let trials: Vec<_> =
            pairs.into_iter().map(|(harness, case)| self.trial(harness, case, settings)).collect();
        assert!(!trials.is_empty(), "the conformance suite has no case to run");
        trials
    }

    fn trial(&self, harness: &Arc<dyn Harness<A>>, case: &'static Case<A>, settings: Settings) -> Trial {
        let name = format!("conformance::{}::{}", harness.name(), case.id);
        let (left_out, obstacle) = (harness.left_out(), case.obstacle(&**harness));
        let (harness, replay) = (Arc::clone(harness), self.replay.of(harness.name(), case.id, settings));
        let results = Arc::clone(&self.results);
        let trial = Trial::ignorable_test(name, move || run(&harness, case, settings, replay, &results));
        match left_out.or_else(|| obstacle.map(Obstacle::reason)) {
            Some(reason) => trial.with_ignored_flag(true).with_kind(reason),
            None => trial,
        }
    }

    /// Reads the arguments and the environment, and runs or lists the trials.
    pub fn main(self) -> ExitCode {
        let variable = |name: &str| std::env::var(name).ok();
        let read = settings(variable).and_then(|settings| Ok((settings, files(variable)?)));
        let (settings, files) = match read {
            Ok(read) => read,
            Err(error) => return print_error(&error),
        };
        let mut arguments = Arguments::from_args();
        arguments.test_threads.get_or_insert_with(threads);
        let began = (utc_now(), Instant::now());
        let conclusion = libtest_mimic::run(&arguments, self.trials(settings));
        if files == Files::default() || arguments.list {
            return conclusion.exit_code();
        }
        match self.write_reports(&arguments, settings, &files, &began) {
            Ok(()) => conclusion.exit_code(),
            Err(error) => print_error(&error),
        }
    }

    /// Writes the reports of all harnesses; with several, the file names contain the harness's name.
    fn write_reports(
        &self,
        arguments: &Arguments,
        settings: Settings,
        files: &Files,
        (started, began): &(String, Instant),
    ) -> Result<(), String> {
        for harness in self.harnesses.iter().filter(|harness| harness.left_out().is_none()) {
            let name = harness.name();
            let files = if self.harnesses.len() > 1 { files.for_target(name) } else { files.clone() };
            let filter = arguments.filter.as_deref().unwrap_or("the arguments of the test");
            let (cases, is_partial) = self.reports_of(harness, settings);
            let only = if is_partial { vec![Glob::new(filter)] } else { Vec::new() };
            let selection = Selection { only, ..Selection::default() };
            let mut target = Target::of(&**harness);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            target.details = runtime.map_err(|error| error.to_string())?.block_on(harness.details());
            let reproduce = self.replay.whole(name, settings);
            let run = RunInfo::before(A::CONTRACT, settings, started.clone(), reproduce);
            let known = KnownFailures::default();
            let report = assemble(target, run, began.elapsed(), &selection, &known, cases);
            let sentence = &report.sentence;
            let _ = writeln!(io::stdout(), "conformance of {name}: {}: {sentence}", report.verdict.label());
            for written in files.write(&report) {
                let _ = writeln!(io::stdout(), "wrote {}", written?.display());
            }
        }
        Ok(())
    }

    /// The reports of all cases for a harness, in the suite's order, and whether the arguments left cases out.
    fn reports_of(&self, harness: &Arc<dyn Harness<A>>, settings: Settings) -> (Vec<CaseReport>, bool) {
        let results = self.results.lock().unwrap_or_else(PoisonError::into_inner);
        let mut is_partial = false;
        let reports = A::cases().map(|case| {
            let replay = self.replay.of(harness.name(), case.id, settings);
            if let Some(result) = results.get(&(harness.name().to_owned(), case.id)) {
                return result.clone();
            }
            if let Some(obstacle) = case.obstacle(&**harness) {
                return not_run(case, obstacle, replay);
            }
            is_partial = true;
            omitted(case, &Omission::NotSelected, replay)
        });
        (reports.collect(), is_partial)
    }
}

/// Prints why the test cannot run; returns the exit code of a usage error.
fn print_error(error: &str) -> ExitCode {
    let _ = writeln!(io::stderr(), "{error}");
    ExitCode::from(2)
}

/// The files of the reports, from the environment: `PRISM_CONFORMANCE_HTML` and so on.
fn files(variable: impl Fn(&str) -> Option<String>) -> Result<Files, String> {
    let name = |format: &str| format!("PRISM_CONFORMANCE_{}", format.to_uppercase());
    let mut files = Files::default();
    for format in Files::FORMATS {
        let path = variable(&name(format)).filter(|path| !path.is_empty());
        if let (Some(path), Some(file)) = (path, files.of(format)) {
            *file = Some(path.into());
        }
    }
    if files != Files::default() && variable("NEXTEST").is_some() {
        return Err(format!(
            "{} and its like are set, but nextest runs each case in a process by itself, so that no process has all results; \
             run `cargo test` for a report",
            name("html")
        ));
    }
    files.check(name, None).map(|()| files)
}

/// Two threads per core: cases wait for disks and sockets half of their time.
fn threads() -> usize {
    std::thread::available_parallelism().map_or(1, NonZero::get) * 2
}

/// The settings from the environment.
fn settings(variable: impl Fn(&str) -> Option<String>) -> Result<Settings, String> {
    let is_ci = variable("CI").is_some_and(|ci| ci == "true" || ci == "1");
    let budget = match variable("PRISM_CONFORMANCE_BUDGET").as_deref() {
        None | Some("") if is_ci => Budget::Ci,
        None | Some("" | "quick") => Budget::Quick,
        Some("ci") => Budget::Ci,
        Some("soak") => Budget::Soak,
        Some(other) => {
            return Err(format!("PRISM_CONFORMANCE_BUDGET is '{other}'; quick, ci and soak are allowed"));
        }
    };
    let mut settings = Settings::of(budget, Settings::default().seed);
    if let Some(seed) = variable("PRISM_CONFORMANCE_SEED").filter(|seed| !seed.is_empty()) {
        settings.seed = seed
            .parse()
            .map_err(|_| format!("PRISM_CONFORMANCE_SEED is '{seed}'; a whole number from 0 is allowed"))?;
    }
    Ok(settings)
}

/// Runs one case on a separate runtime, so that its background tasks end with it.
fn run<A: Abstraction>(
    harness: &Arc<dyn Harness<A>>,
    case: &'static Case<A>,
    settings: Settings,
    replay: String,
    results: &Results,
) -> Result<Completion, Failed> {
    // Races need real parallelism; for everything else a second thread would only add wake-ups.
    let workers = if case.kind == Kind::History { 2 } else { 1 };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(workers).enable_all().build()?;
    let tested = Arc::clone(harness);
    let ran = runtime.spawn(async move { run_case(&*tested, case, settings).await });
    // A panic of a case becomes its verdict, so this is a panic of the suite, which must not count as a result.
    let result = runtime.block_on(ran).expect("running a case does not panic");
    let mut report = case_report(&result, &KnownFailures::default(), replay, false);
    report.label_attachments(harness.name(), settings.seed);
    if let Ok(folder) = failures_folder(None) {
        report.save_attachments(&folder);
    }
    let key = (harness.name().to_owned(), case.id);
    results.lock().unwrap_or_else(PoisonError::into_inner).insert(key, report.clone());
    match report.outcome {
        CaseOutcome::Passed => Ok(Completion::Completed),
        CaseOutcome::NotApplicable | CaseOutcome::NotObservable | CaseOutcome::LeftOut => {
            Ok(Completion::Ignored { reason: report.reason })
        }
        CaseOutcome::Failed
        | CaseOutcome::KnownFailure
        | CaseOutcome::UnexpectedPass
        | CaseOutcome::Inconclusive
        | CaseOutcome::Broken => {
            let run = RunInfo::before(A::CONTRACT, settings, utc_now(), String::new());
            let mut target = Target::of(&**harness);
            target.details = runtime.block_on(harness.details());
            Err(failure(&report, &target, &run).into())
        }
    }
}

#[cfg(test)]
mod tests {
    use prism_contract::keyvalue::{Capabilities, Memory};

    use super::*;
    use crate::keyvalue::{InProcess, KeyValue, cases};

    fn of(variables: &[(&str, &str)]) -> Result<Settings, String> {
        settings(|name| {
            variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn the_environment_sets_budget_and_seed() {
        let read = |variables| of(variables).map(|settings| (settings.budget, settings.seed));
        assert_eq!(read(&[]), Ok((Budget::Quick, 1)));
        assert_eq!(read(&[("CI", "true")]), Ok((Budget::Ci, 1)));
        assert_eq!(
            read(&[("CI", "true"), ("PRISM_CONFORMANCE_BUDGET", "quick"), ("PRISM_CONFORMANCE_SEED", "7")]),
            Ok((Budget::Quick, 7))
        );
        for (name, wrong) in [("PRISM_CONFORMANCE_BUDGET", "large"), ("PRISM_CONFORMANCE_SEED", "-1")] {
            let error = of(&[(name, wrong)]).expect_err(wrong);
            assert!(error.contains(name) && error.contains(wrong), "{error}");
        }
    }

    #[test]
    fn the_environment_names_the_reports_and_nextest_cannot_write_them() {
        let read = |variables: &[(&str, &str)]| {
            files(|name| {
                variables.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned())
            })
        };
        assert_eq!(read(&[("PRISM_CONFORMANCE_HTML", "")]), Ok(Files::default()));
        let named = Files { html: Some("a.html".into()), badge: Some("b.svg".into()), ..Files::default() };
        let variables = [("PRISM_CONFORMANCE_HTML", "a.html"), ("PRISM_CONFORMANCE_BADGE", "b.svg")];
        assert_eq!(read(&variables), Ok(named));
        let error = read(&[variables[0], ("NEXTEST", "1")]).expect_err("nextest cannot");
        assert!(error.contains("PRISM_CONFORMANCE_HTML") && error.contains("run `cargo test`"), "{error}");
        let error = read(&[("PRISM_CONFORMANCE_JSON", "no/such/a.json")]).expect_err("no folder");
        assert!(error.starts_with("PRISM_CONFORMANCE_JSON: no/such/a.json: there is no folder"), "{error}");
    }

    #[test]
    fn the_report_of_a_test_has_all_cases_and_is_partial_where_some_did_not_run() {
        let harness = InProcess::new("mine", || async { Ok(Memory::default()) });
        let suite = Suite::of_test("p", "t").with(harness);
        let (settings, place) = (Settings::default(), tempfile::tempdir().expect("a folder is created"));
        let case = KeyValue::case("put::replaces_the_whole_item").expect("a case of the suite");
        let harness = &suite.harnesses[0];
        run(harness, case, settings, String::new(), &suite.results).expect("the case passes");
        let files = Files { json: Some(place.path().join("r.json")), ..Files::default() };
        let began = (utc_now(), Instant::now());
        let arguments = Arguments { filter: Some("put".to_owned()), ..Arguments::default() };
        suite.write_reports(&arguments, settings, &files, &began).expect("the report is written");
        let json = std::fs::read_to_string(place.path().join("r.json")).expect("the report is there");
        let json: serde_json::Value = serde_json::from_str(&json).expect("the report is JSON");
        assert_eq!((&json["verdict"], &json["counts"]["passed"]), (&"partial".into(), &1.into()));
        assert_eq!(json["cases"].as_array().map(Vec::len), Some(cases::all().count()));
    }

    #[test]
    fn every_case_is_a_trial_and_unrunnable_ones_are_ignored_with_a_reason() {
        let harness =
            InProcess::new("bare", || async { Ok(Memory::default()) }).with_capabilities(Capabilities::NONE);
        let mut in_order: Vec<_> = cases::all().collect();
        in_order.sort_by_key(|case| !case.may_take_long());
        let obstacles: Vec<_> =
            in_order.iter().map(|case| case.obstacle(&harness).map(Obstacle::reason)).collect();
        let trials = Suite::of_test("p", "t").with(harness).trials(Settings::default());
        assert_eq!(trials.len(), cases::all().count());
        for ((trial, case), reason) in trials.iter().zip(in_order).zip(obstacles) {
            assert_eq!(trial.name(), format!("conformance::bare::{}", case.id));
            assert_eq!(trial.has_ignored_flag(), reason.is_some(), "{}", trial.name());
            assert_eq!(trial.kind(), reason.unwrap_or_default(), "{}", trial.name());
        }
    }

    #[test]
    #[should_panic(expected = "no case")]
    fn a_suite_without_a_harness_does_not_pass() {
        let _ = Suite::<KeyValue>::of_test("p", "t").trials(Settings::default());
    }

    #[test]
    #[should_panic(expected = "two harnesses are named twice")]
    fn two_harnesses_with_the_same_name_are_rejected() {
        let twice = || InProcess::new("twice", || async { Ok(Memory::default()) });
        let _ = Suite::of_test("p", "t").with(twice()).with(twice()).trials(Settings::default());
    }
}
