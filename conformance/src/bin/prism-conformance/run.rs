//! `run`: runs the suite against a server.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use prism_conformance::keyvalue::{KeyValue, cases};
use prism_conformance::known::KnownFailures;
use prism_conformance::plan::{Glob, Selection};
use prism_conformance::report::{self, Replay, Report, quoted};
use prism_conformance::run::{Options, Settings, suite_with_progress};

use crate::args::RunArgs;
use crate::leftovers::Leftovers;
use crate::output::{Meter, eprint, print, program};
use crate::target::Target;
use crate::{NOTHING_RAN, USAGE, args};

pub(crate) async fn run(args: Box<RunArgs>, leftovers: &Leftovers) -> u8 {
    let options = match options(&args) {
        Ok(options) => options,
        Err((code, why)) => {
            eprint(why);
            return code;
        }
    };
    if let Err(why) = check_report_paths(&args) {
        eprint(why);
        return USAGE;
    }
    let target = match Target::reach(&args.target, leftovers).await {
        Ok(target) => target,
        Err(code) => return code,
    };
    print(heading(&target, &options));
    let replay =
        Replay::Command { program: program(), target: target.arguments.clone(), selection: selection(&args) };
    let options = Options { replay, details: target.details, ..options };
    let mut meter = Meter::new(args.trace);
    let harness = Arc::clone(&target.harness);
    let mut report =
        suite_with_progress(harness, &options, |case, progress| meter.report(case, progress)).await;
    meter.end();
    // Stops spawned servers before the last line of output.
    drop(target.harness);
    let left = leftovers.finish().await;
    let summary = report::summary(&report);
    let (before, last) = summary.trim_end().rsplit_once('\n').unwrap_or(("", &summary));
    print(format_args!("{before}\n"));
    if let Some(left) = left {
        print(format_args!("{left}\n"));
        report.target.details.push(("leftovers".to_owned(), left));
    }
    let written = write_all(&args, &report);
    print(format_args!("{last}\n"));
    if written { report.exit_code } else { USAGE }
}

/// The arguments of the selection and of the known failures, for the replay command.
fn selection(args: &RunArgs) -> String {
    let globs = |flag: &'static str, globs: &[String]| {
        globs.iter().map(|glob| format!("{flag} {}", quoted(glob))).collect::<Vec<_>>()
    };
    let mut arguments = [globs("--only", &args.only), globs("--skip", &args.skip)].concat();
    if matches!(args.profile, args::ProfileArg::Core) {
        arguments.push("--profile core".to_owned());
    }
    if let Some(path) = &args.known_failing {
        arguments.push(format!("--known-failing {}", quoted(&path.display().to_string())));
    }
    arguments.join(" ")
}

/// Budget, seed and the timeout per case.
pub(crate) fn settings(effort: args::EffortArgs) -> Settings {
    Settings::of(effort.budget.into(), effort.seed)
}

/// The options of the run, or an exit code and the error message.
fn options(args: &RunArgs) -> Result<Options, (u8, String)> {
    let globs = |patterns: &[String]| patterns.iter().map(Glob::new).collect();
    let (only, skip) = (globs(&args.only), globs(&args.skip));
    let selection = Selection { only, skip, profile: args.profile.into() };
    if let Some(idle) = selection.idle::<KeyValue>().next() {
        let why = format!("'{idle}' matches no case, group or rule; `prism-conformance list` shows them all");
        let runs = cases::all().any(|case| selection.only.iter().any(|glob| glob.names(case)));
        let code = if runs || selection.only.is_empty() { USAGE } else { NOTHING_RAN };
        return Err((code, why));
    }
    Ok(Options {
        settings: settings(args.effort),
        selection,
        known: known(args.known_failing.as_deref()).map_err(|why| (USAGE, why))?,
        jobs: args.jobs,
        trace: args.trace,
        attachments: Some(std::env::temp_dir().join("prism-conformance").join("failures")),
        ..Options::default()
    })
}

fn known(path: Option<&Path>) -> Result<KnownFailures, String> {
    let Some(path) = path else { return Ok(KnownFailures::default()) };
    let message = |why: String| format!("--known-failing: {}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|error| message(error.to_string()))?;
    KnownFailures::parse(&text).map_err(message)
}

fn heading(target: &Target, options: &Options) -> String {
    let mut lines: Vec<_> = target.details.iter().map(|(name, value)| format!("{name:17} {value}")).collect();
    let capabilities: Vec<_> =
        target.harness.capabilities().iter().map(prism_contract::keyvalue::Capability::name).collect();
    let capabilities = if capabilities.is_empty() { "core only".to_owned() } else { capabilities.join(", ") };
    lines.push(format!("{:17} {capabilities}", "capabilities"));
    let (budget, seed) = (report::budget_name(options.settings.budget), options.settings.seed);
    lines.push(format!("{:17} {budget}, seed {seed}", "budget"));
    lines.join("\n") + "\n\n"
}

/// A report's flag, its path and its renderer.
type Output<'a> = (&'static str, &'a Option<PathBuf>, fn(&Report) -> String);

fn reports(args: &RunArgs) -> [Output<'_>; 4] {
    [
        ("--json", &args.json, Report::to_json),
        ("--junit", &args.junit, report::junit),
        ("--html", &args.html, report::html),
        ("--badge", &args.badge, report::badge),
    ]
}

/// Checks the report paths before the run, so that a typo does not cost a whole run.
fn check_report_paths(args: &RunArgs) -> Result<(), String> {
    let mut taken: Vec<(&Path, &str)> = Vec::new();
    for (flag, path, _) in reports(args) {
        let Some(path) = path else { continue };
        if let Some((_, other)) = taken.iter().find(|(known, _)| known == path) {
            return Err(format!("{other} and {flag} both name {}", path.display()));
        }
        taken.push((path, flag));
        let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
        if path.is_dir() {
            return Err(format!("{flag}: {} is a folder; name a file", path.display()));
        }
        if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
            return Err(format!("{flag}: {}: there is no folder {}", path.display(), folder.display()));
        }
    }
    Ok(())
}

/// Writes all requested reports; returns whether all could be written.
fn write_all(args: &RunArgs, report: &Report) -> bool {
    let mut all = true;
    for (flag, path, text) in reports(args) {
        let Some(path) = path else { continue };
        match fs::write(path, text(report)) {
            Ok(()) => print(format_args!("wrote {}\n", path.display())),
            Err(error) => {
                eprint(format_args!("{flag}: {} cannot be written: {error}", path.display()));
                all = false;
            }
        }
    }
    all
}
