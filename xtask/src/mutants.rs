//! Runs the tests of the wrappers with each seeded fault of `prism-mutants`: at least one test must fail with each of them.
//!
//! The recorded matrix names the tests that fail. A run without writing runs only these, so it is short: each of them must fail
//! again, and pass without a fault.

mod catalogue;
mod matrix;
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

pub(crate) use self::catalogue::CATALOGUE;
use self::catalogue::Mutant;
pub(crate) use self::matrix::read as recorded;
use self::tests::{Outcome, TestName, Tests};
use crate::{Result, docs};

/// The environment variable that runs all tests with every fault, and writes the result into the source tree.
const WRITE: &str = "PRISM_WRITE_MATRIX";

/// A part of the wrappers, by which the ids of its mutants begin, and the tests that may catch them.
struct Area {
    name: &'static str,
    tests: &'static [Selection],
}

/// The tests of a program whose names begin with one of these prefixes.
struct Selection {
    program: &'static str,
    prefixes: &'static [&'static str],
}

const AREAS: [Area; 8] = [
    Area {
        name: "encrypt",
        tests: &[
            Selection { program: "backends/lib", prefixes: &["wrap::encrypt::"] },
            // Without the random pages: what they catch depends on the seed.
            Selection {
                program: "backends/encrypt",
                prefixes: &["damage::", "pages::an_", "pages::the_", "rekey::", "stored::"],
            },
            Selection { program: "proxy/lib", prefixes: &["catalog::"] },
            Selection { program: "proxy/serve", prefixes: &["reload::master_keys"] },
        ],
    },
    Area { name: "rekey", tests: &[Selection { program: "backends/encrypt", prefixes: &["rekey::"] }] },
    Area {
        name: "router",
        tests: &[
            Selection { program: "backends/lib", prefixes: &["wrap::route::"] },
            Selection { program: "proxy/lib", prefixes: &["catalog::"] },
            Selection { program: "proxy/server", prefixes: &["namespaces::"] },
        ],
    },
    Area {
        name: "catalog",
        tests: &[
            Selection { program: "proxy/lib", prefixes: &["catalog::"] },
            Selection { program: "proxy/server", prefixes: &["namespaces::", "control::"] },
        ],
    },
    Area {
        name: "rates",
        tests: &[
            Selection { program: "proxy/lib", prefixes: &["catalog::"] },
            Selection { program: "proxy/server", prefixes: &["namespaces::"] },
        ],
    },
    Area {
        name: "control",
        tests: &[
            Selection { program: "proxy/lib", prefixes: &["control::"] },
            Selection { program: "proxy/server", prefixes: &["control::"] },
        ],
    },
    Area {
        name: "audit",
        tests: &[
            Selection { program: "proxy/lib", prefixes: &["audit::", "catalog::"] },
            Selection { program: "proxy/server", prefixes: &["audit::"] },
        ],
    },
    Area { name: "masking", tests: &[Selection { program: "proto/messages", prefixes: &["debug_output"] }] },
];

/// The tests that fail with each mutant.
pub(crate) type Kills = BTreeMap<String, BTreeSet<TestName>>;

/// Runs the mutants whose ids begin with `prefix`. `workspace`: the tests are built as `cargo test --workspace` builds them.
pub(crate) fn run(prefix: &str, workspace: bool) -> Result {
    let tests = Tests::build(workspace)?;
    let chosen: Vec<_> = CATALOGUE.iter().filter(|mutant| mutant.id.starts_with(prefix)).collect();
    if chosen.is_empty() {
        return Err(format!("no mutant has an id that begins with {prefix:?}").into());
    }
    let begun = Instant::now();
    let (recorded, writes) = (matrix::read()?, std::env::var_os(WRITE).is_some());
    let plan = |mutant: &Mutant| if writes { tests.of(mutant.area()) } else { of(&recorded, mutant) };
    let all: BTreeSet<_> = chosen.iter().flat_map(|mutant| plan(mutant)).collect();
    let sound = tests.run(None, &all)?;
    let mut problems: Vec<_> = sound
        .iter()
        .filter(|(_, outcome)| **outcome != Outcome::Passed)
        .map(|(test, outcome)| format!("{test} {outcome} without a mutant"))
        .collect();
    println!("{} tests without a mutant: {:.1} s", all.len(), begun.elapsed().as_secs_f32());
    let kills = if problems.is_empty() { with_each(&tests, &chosen, plan, writes)? } else { Kills::new() };
    for (mutant, failed) in &kills {
        if failed.is_empty() {
            problems.push(format!("{mutant} survives: no test fails"));
        }
        let expected = recorded.get(mutant).filter(|_| !writes);
        for missed in expected.into_iter().flat_map(|expected| expected.difference(failed)) {
            problems.push(format!("{mutant}: {missed} passes, and is recorded as failing"));
        }
    }
    if writes && problems.is_empty() {
        matrix::write(recorded, kills, prefix)?;
        docs::write_mutants()?;
    }
    if problems.is_empty() {
        println!("{} mutants are caught, in {:.0} s", chosen.len(), begun.elapsed().as_secs_f32());
        return Ok(());
    }
    Err(format!("{}\nAfter a change of tests or mutants, run this with {WRITE}=1.", problems.join("\n"))
        .into())
}

fn of(recorded: &Kills, mutant: &Mutant) -> BTreeSet<TestName> {
    recorded.get(mutant.id).cloned().unwrap_or_default()
}

/// Tries of a recorded test, until it fails: a few depend on the order of two events.
const TRIES: usize = 3;

/// Runs the planned tests with each mutant, several at a time. Tests that fail only in one of two runs are not recorded.
fn with_each(
    tests: &Tests,
    mutants: &[&Mutant],
    plan: impl Fn(&Mutant) -> BTreeSet<TestName> + Sync,
    writes: bool,
) -> Result<Kills> {
    let (next, kills) = (AtomicUsize::new(0), Mutex::new(Kills::new()));
    let work = || -> std::result::Result<(), String> {
        while let Some(mutant) = mutants.get(next.fetch_add(1, Ordering::Relaxed)) {
            let begun = Instant::now();
            let fail = |planned: &BTreeSet<TestName>| {
                tests.failing(mutant.id, planned).map_err(|error| error.to_string())
            };
            let planned = plan(mutant);
            let mut failed = fail(&planned)?;
            if writes {
                failed = fail(&failed)?;
            } else {
                for _ in 1..TRIES {
                    failed.extend(fail(&planned.difference(&failed).cloned().collect())?);
                }
            }
            println!("{}: {} tests fail, {:.1} s", mutant.id, failed.len(), begun.elapsed().as_secs_f32());
            kills.lock().expect("no thread panics").insert(mutant.id.to_owned(), failed);
        }
        Ok(())
    };
    let jobs = thread::available_parallelism().map_or(1, usize::from);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().expect("a worker does not panic"))
    })?;
    Ok(kills.into_inner().expect("no thread panics"))
}

#[cfg(test)]
mod unit {
    use std::fs;

    use super::*;
    use crate::tree;

    /// The ids in the code of a crate, in the order of its files.
    fn ids_in(folder: &str, ids: &mut Vec<String>) {
        let mut folders = vec![tree::root().join(folder)];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    let text = fs::read_to_string(path).unwrap();
                    let words = text.split('"').filter(|word| {
                        let named =
                            AREAS.iter().find_map(|area| word.strip_prefix(area.name)?.strip_prefix('/'));
                        named.is_some_and(|name| {
                            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'-')
                        })
                    });
                    ids.extend(words.map(str::to_owned));
                }
            }
        }
    }

    #[test]
    fn the_catalogue_the_matrix_and_the_code_have_the_same_mutants() {
        let mut in_code = Vec::new();
        for folder in ["proto/src", "backends/src", "proxy/src"] {
            ids_in(folder, &mut in_code);
        }
        let in_code: BTreeSet<_> = in_code.into_iter().collect();
        let catalogue: BTreeSet<_> = CATALOGUE.iter().map(|mutant| mutant.id.to_owned()).collect();
        assert_eq!(catalogue.len(), CATALOGUE.len(), "an id is there twice");
        assert_eq!(in_code, catalogue);
        let recorded = recorded().unwrap();
        assert_eq!(recorded.keys().cloned().collect::<BTreeSet<_>>(), catalogue, "run it with {WRITE}=1");
        assert!(recorded.values().all(|tests| !tests.is_empty()));
    }

    #[test]
    fn the_mutants_of_an_area_are_listed_together() {
        let mut areas: Vec<_> = CATALOGUE.iter().map(Mutant::area).collect();
        areas.dedup();
        assert_eq!(areas, AREAS.map(|area| area.name));
    }
}
