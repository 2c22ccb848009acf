//! `run`: runs the suite against a server.

use std::fs;
use std::num::NonZero;
use std::path::Path;
use std::sync::Arc;

use prism_conformance::known::KnownFailures;
use prism_conformance::plan::{Glob, Selection};
use prism_conformance::report::{self, Files, Replay, Report, failures_folder, quoted};
use prism_conformance::run::{Options, Settings, suite_with_progress};
use prism_conformance::wire::Remote;
use prism_conformance::{Ability, Abstraction};

use crate::args::RunArgs;
use crate::leftovers::Leftovers;
use crate::output::{Meter, eprint, layout, print, program};
use crate::target::Target;
use crate::{NOTHING_RAN, USAGE, args};

pub(crate) async fn run<A: Remote>(args: Box<RunArgs>, leftovers: &Leftovers) -> u8 {
    let options = match options::<A>(&args) {
        Ok(options) => options,
        Err((code, why)) => {
            eprint(why);
            return code;
        }
    };
    let known = args.write_known.as_deref().map(|path| ("--write-known", path));
    if let Err(why) = files(&args).check(|format| format!("--{format}"), known) {
        eprint(why);
        return USAGE;
    }
    let target = match Target::<A>::reach(&args.target, args.of, leftovers).await {
        Ok(target) => target,
        Err(code) => return code,
    };
    print(heading(&target, &options));
    let replay =
        Replay::Command { program: program(), target: target.arguments.clone(), selection: selection(&args) };
    let options = Options { replay, details: target.details, ..options };
    let mut meter = Meter::new(args.verbose, args.trace);
    let harness = Arc::clone(&target.harness);
    let mut report =
        suite_with_progress(harness, &options, |case, progress| meter.report(case, progress)).await;
    meter.end();
    // Stops spawned servers before the last line of output.
    drop(target.harness);
    let left = leftovers.finish().await;
    let summary = report::summary_in(&report, &layout(args.all_failures));
    let (before, last) = summary.trim_end().rsplit_once('\n').unwrap_or(("", &summary));
    print(format_args!("{before}\n"));
    if let Some(left) = left {
        print(format_args!("{left}\n"));
        report.target.details.push(("leftovers".to_owned(), left));
    }
    if let Some(folder) = &report.failures {
        let failed = quoted(&format!("@{}", folder.join("failed.txt").display()));
        let target = &target.arguments;
        print(format_args!("run the failed cases again: {} run {target} --only {failed}\n", program()));
    }
    let written = write_all(&args, &options, &report);
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
fn options<A: Abstraction>(args: &RunArgs) -> Result<Options, (u8, String)> {
    let only = globs("--only", &args.only).map_err(|why| (USAGE, why))?;
    let skip = globs("--skip", &args.skip).map_err(|why| (USAGE, why))?;
    let selection = Selection { only, skip, profile: args.profile.into() };
    if let Some(idle) = selection.idle::<A>().next() {
        let why = format!("'{idle}' matches no case, group or rule; `prism-conformance list` shows them all");
        let runs = A::cases().any(|case| selection.only.iter().any(|glob| glob.names(case)));
        let code = if runs || selection.only.is_empty() { USAGE } else { NOTHING_RAN };
        return Err((code, why));
    }
    Ok(Options {
        settings: settings(args.effort),
        selection,
        known: known(args.known_failing.as_deref()).map_err(|why| (USAGE, why))?,
        jobs: args.jobs,
        trace: args.trace,
        max_failures: args.max_failures.or(args.fail_fast.then_some(NonZero::<usize>::MIN)),
        failures: Some(failures_folder(files(args).main()).map_err(|why| (USAGE, why.to_string()))?),
        ..Options::default()
    })
}

/// The patterns of `--only` or `--skip`. `@FILE` stands for the lines of a file, without empty ones and comments (`#`).
fn globs(flag: &str, patterns: &[String]) -> Result<Vec<Glob>, String> {
    let mut globs = Vec::new();
    for pattern in patterns {
        let Some(path) = pattern.strip_prefix('@') else {
            globs.push(Glob::new(pattern));
            continue;
        };
        let text =
            fs::read_to_string(path).map_err(|error| format!("{flag}: {path} cannot be read: {error}"))?;
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let before = globs.len();
        globs.extend(lines.filter(|line| !line.is_empty()).map(Glob::new));
        if globs.len() == before {
            return Err(format!(
                "{flag}: {path} has no pattern; one per line is allowed, # begins a comment"
            ));
        }
    }
    Ok(globs)
}

fn known(path: Option<&Path>) -> Result<KnownFailures, String> {
    let Some(path) = path else { return Ok(KnownFailures::default()) };
    let message = |why: String| format!("--known-failing: {}: {why}", path.display());
    let text = fs::read_to_string(path).map_err(|error| message(error.to_string()))?;
    KnownFailures::parse(&text).map_err(message)
}

fn heading<A: Remote>(target: &Target<A>, options: &Options) -> String {
    let mut lines: Vec<_> = target.details.iter().map(|(name, value)| format!("{name:17} {value}")).collect();
    let capabilities = A::names(target.harness.capabilities());
    let capabilities = if capabilities.is_empty() { "core only".to_owned() } else { capabilities.join(", ") };
    lines.push(format!("{:17} {capabilities}", "capabilities"));
    let (budget, seed) = (report::budget_name(options.settings.budget), options.settings.seed);
    lines.push(format!("{:17} {budget}, seed {seed}", "budget"));
    // What the server's operator can change.
    let why = target.harness.why_missing(Ability::Policies);
    if why != Ability::Policies.missing() {
        lines.push(format!("{:17} {why}", "not run"));
    }
    lines.join("\n") + "\n\n"
}

/// The files of the report.
fn files(args: &RunArgs) -> Files {
    Files {
        json: args.json.clone(),
        junit: args.junit.clone(),
        html: args.html.clone(),
        badge: args.badge.clone(),
    }
}

/// Writes the report, and the failures as known ones; returns whether all could be written.
fn write_all(args: &RunArgs, options: &Options, report: &Report) -> bool {
    let mut written = files(args).write(report);
    if let Some(path) = &args.write_known {
        let reason = format!("recorded by --write-known at {}", report.run.started);
        let text = options.known.recorded(&report.cases, &reason);
        let error = |error| format!("--write-known: {} cannot be written: {error}", path.display());
        written.push(fs::write(path, text).map(|()| path.clone()).map_err(error));
    }
    let mut all = true;
    for written in written {
        match written {
            Ok(path) => print(format_args!("wrote {}\n", path.display())),
            Err(error) => {
                eprint(error);
                all = false;
            }
        }
    }
    all
}
