//! `replay`: replays recorded operations against a server.

use std::fs;

use prism_conformance::Budget;
use prism_conformance::known::KnownFailures;
use prism_conformance::property::{Regression, Sequential};
use prism_conformance::report::{self, CaseOutcome, RunInfo, quoted};
use prism_conformance::run::Settings;
use prism_conformance::wire::Remote;

use crate::args::ReplayArgs;
use crate::leftovers::Leftovers;
use crate::output::{eprint, print, program};
use crate::target::Target;
use crate::{NOT_OK, NOTHING_RAN, OK, UNREACHABLE, USAGE};

pub(crate) async fn replay<A: Remote + Sequential>(args: Box<ReplayArgs>, leftovers: &Leftovers) -> u8 {
    let regression = fs::read_to_string(&args.file).map_err(|error| error.to_string());
    let regression = match regression.and_then(|json| Regression::<A::Op>::from_json(&json)) {
        Ok(regression) => regression,
        Err(why) => {
            eprint(format_args!("{}: {why}", args.file.display()));
            return USAGE;
        }
    };
    let target = match Target::<A>::reach(&args.target, args.of, leftovers).await {
        Ok(target) => target,
        Err(code) => return code,
    };
    let settings = Settings::of(Budget::Quick, regression.seed);
    print(format_args!(
        "{} operations, found by {}: {}\n\n",
        regression.operations.len(),
        regression.case,
        regression.note
    ));
    let result = prism_conformance::property::replay(&*target.harness, &regression, settings).await;
    let file = quoted(&args.file.display().to_string());
    let line = format!("{} replay {file} {}", program(), target.arguments);
    let case = report::case_report(&result, &KnownFailures::default(), line, true);
    let run = RunInfo::before(A::CONTRACT, settings, String::new(), String::new());
    let reported = report::Target::of(&*target.harness);
    drop(target.harness);
    let left = leftovers.finish().await;
    let code = match case.outcome {
        CaseOutcome::Passed | CaseOutcome::UnexpectedPass => {
            print(case.transcript.unwrap_or_default());
            print("\npassed: all answers conform to the contract\n");
            OK
        }
        CaseOutcome::Failed | CaseOutcome::KnownFailure => {
            print(report::failure(&case, &reported, &run));
            NOT_OK
        }
        CaseOutcome::Broken => {
            print(report::failure(&case, &reported, &run));
            UNREACHABLE
        }
        CaseOutcome::Inconclusive
        | CaseOutcome::NotApplicable
        | CaseOutcome::NotObservable
        | CaseOutcome::LeftOut => {
            print(report::failure(&case, &reported, &run));
            NOTHING_RAN
        }
    };
    if let Some(left) = left {
        print(format_args!("{left}\n"));
    }
    code
}
