//! `selftest` and `matrix`: tests the suite with its own seeded bugs.

use std::sync::Arc;
use std::time::{Duration, Instant};

use prism_conformance::mutation::{
    Depth, Matrix, Mutant, Named, Selftest, gate, matrix, matrix_markdown, pairs,
};
use prism_conformance::plan::Glob;
use prism_conformance::run::Settings;
use prism_conformance::wire::{OverGrpc, Remote};
use prism_conformance::{Abstraction, Harness};

use crate::args::SelftestArgs;
use crate::output::{eprint, print};
use crate::{NOT_OK, OK, USAGE};

/// Prints the recorded matrix, as in the documentation.
pub(crate) fn page<A: Abstraction>() -> u8 {
    print(matrix_markdown::<A>((A::CONTRACT.kill_matrix)()));
    OK
}

/// The timeout per case on a store with two mutants: some make cases wait for ever.
const PAIR_TIMEOUT: Duration = Duration::from_secs(3);

/// Counts how often the likely causes name both mutants of a store.
async fn named_pairs<A: Abstraction>(args: &SelftestArgs, count: usize) -> u8 {
    let settings = Settings::of(args.effort.budget.into(), args.effort.seed);
    let defaults = Selftest::default();
    let jobs = args.effort.jobs.unwrap_or(defaults.jobs);
    let selftest = Selftest { settings: Settings { timeout: PAIR_TIMEOUT, ..settings }, jobs, ..defaults };
    let found = pairs::<A>(&selftest, count).await;
    let Named { pairs, both, first } = Named::of(A::CONTRACT, &found);
    print(format_args!(
        "{pairs} stores with two mutants: both are among the first three causes of {both}, one is the first cause of {first}\n"
    ));
    OK
}

pub(crate) async fn selftest<A: Remote>(args: SelftestArgs) -> u8 {
    if let Some(count) = args.pairs {
        return named_pairs::<A>(&args, count.get()).await;
    }
    let globs: Vec<_> = args.only.iter().map(Glob::new).collect();
    let chosen = |mutant: &Mutant| globs.is_empty() || globs.iter().any(|glob| glob.matches(mutant.name));
    let defaults = Selftest::default();
    let in_process = Selftest {
        settings: Settings::of(args.effort.budget.into(), args.effort.seed),
        depth: if args.full { Depth::Full } else { Depth::FirstKill },
        jobs: args.effort.jobs.unwrap_or(defaults.jobs),
        ..defaults
    };
    let over_grpc = Selftest { reach: over_grpc::<A>, ..in_process.clone() };
    let all: Vec<_> = A::cases().collect();
    let mut missed = 0;
    for (mode, selftest) in [("in process", in_process), ("over gRPC", over_grpc)] {
        let started = Instant::now();
        let matrix = matrix(&all, &selftest, chosen).await;
        if matrix.rows.is_empty() {
            eprint("no mutant matches; `matrix` shows them all");
            return USAGE;
        }
        missed += print_matrix(mode, &matrix);
        print(format_args!("{mode}: {:.1} s\n\n", started.elapsed().as_secs_f64()));
    }
    if missed == 0 { OK } else { NOT_OK }
}

fn over_grpc<A: Remote>(mutant: Arc<dyn Harness<A>>) -> Arc<dyn Harness<A>> {
    Arc::new(OverGrpc::of(mutant))
}

/// Prints a matrix and its problems; returns the number of problems.
fn print_matrix<A: Abstraction>(mode: &str, matrix: &Matrix<A>) -> usize {
    for row in &matrix.rows {
        let (name, breaks) = (row.mutant.name, row.mutant.breaks.join(", "));
        let caught = match (row.kills().next(), row.failed.first()) {
            (Some(case), _) => format!("caught by {}", case.id),
            (None, Some(kill)) => format!("CAUGHT BY CHANCE by {}", kill.case.id),
            (None, None) => "SURVIVES".to_owned(),
        };
        let more = row.failed.len().saturating_sub(1);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        print(format_args!("{name:40} {breaks:24} {caught}{more}\n"));
    }
    let problems = gate(matrix);
    for problem in &problems {
        print(format_args!("problem: {problem}\n"));
    }
    let caught = matrix.rows.iter().filter(|row| row.kills().next().is_some()).count();
    print(format_args!(
        "{mode}: {caught} of {} mutants caught, {} problems\n",
        matrix.rows.len(),
        problems.len()
    ));
    problems.len()
}
