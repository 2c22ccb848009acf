//! The tests of the wrappers: built by cargo, listed, and run with or without a mutant.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::fs::File;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use prism_mutants::VARIABLE;
use serde::{Deserialize, Serialize};

use super::AREAS;
use crate::{Result, process};

/// Time for the tests of one program. A mutant may let a test wait for ever, which counts as a failure.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A test: `package/program::test`, where the unit tests of a crate are the program `lib`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct TestName(String);

impl fmt::Display for TestName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// The result of a test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Passed,
    Failed,
    /// The program ended before.
    NotRun,
    /// The test no longer exists.
    Unknown,
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Passed => "passes",
            Self::Failed => "fails",
            Self::NotRun => "does not end",
            Self::Unknown => "does not exist",
        })
    }
}

/// A program of tests.
struct Program {
    executable: PathBuf,
    /// The folder of its package, in which cargo runs it.
    folder: PathBuf,
    tests: BTreeSet<String>,
}

/// The programs that the areas name.
pub(super) struct Tests(BTreeMap<String, Program>);

impl Tests {
    /// Builds them: alone, or as a part of what `cargo test --workspace` builds, after which nothing is built again.
    pub(super) fn build(workspace: bool) -> Result<Self> {
        let mut command = process::cargo();
        command.args(["test", "--no-run", "--message-format", "json-render-diagnostics"]);
        if workspace {
            command.arg("--workspace");
        } else {
            let selected = AREAS.iter().flat_map(|area| area.tests);
            let (packages, programs): (BTreeSet<_>, BTreeSet<_>) =
                selected.filter_map(|tests| tests.program.split_once('/')).unzip();
            command.args(packages.iter().map(|package| format!("--package=prism-{package}")));
            let target = |program: &&str| {
                if *program == "lib" { "--lib".to_owned() } else { format!("--test={program}") }
            };
            command.args(programs.iter().map(target));
        }
        let output = command.stderr(Stdio::inherit()).output()?;
        if !output.status.success() {
            return Err("the tests cannot be built".into());
        }
        let mut programs = BTreeMap::new();
        for line in String::from_utf8(output.stdout)?.lines() {
            let artifact: Artifact = serde_json::from_str(line)?;
            if let Some((name, executable, folder)) = artifact.program()
                && AREAS.iter().any(|area| area.tests.iter().any(|tests| tests.program == name))
            {
                programs.insert(name, Program::new(executable, folder)?);
            }
        }
        Ok(Self(programs))
    }

    /// The tests of an area.
    pub(super) fn of(&self, area: &str) -> BTreeSet<TestName> {
        let tests = AREAS.iter().filter(|known| known.name == area).flat_map(|known| known.tests);
        tests
            .flat_map(|tests| {
                let known = self.0.get(tests.program).into_iter().flat_map(|program| &program.tests);
                known
                    .filter(|test| tests.prefixes.iter().any(|prefix| test.starts_with(prefix)))
                    .map(|test| TestName(format!("{}::{test}", tests.program)))
            })
            .collect()
    }

    /// The tests that fail with a mutant. Those that did not run are among them only if no other fails.
    pub(super) fn failing(&self, mutant: &str, tests: &BTreeSet<TestName>) -> Result<BTreeSet<TestName>> {
        let outcomes = self.run(Some(mutant), tests)?;
        let with = |wanted: Outcome| -> BTreeSet<TestName> {
            let found = outcomes.iter().filter(|(_, outcome)| **outcome == wanted);
            found.map(|(test, _)| test.clone()).collect()
        };
        let failed = with(Outcome::Failed);
        Ok(if failed.is_empty() { with(Outcome::NotRun) } else { failed })
    }

    /// Runs these tests.
    pub(super) fn run(
        &self,
        mutant: Option<&str>,
        tests: &BTreeSet<TestName>,
    ) -> Result<BTreeMap<TestName, Outcome>> {
        let mut outcomes: BTreeMap<_, _> =
            tests.iter().map(|test| (test.clone(), Outcome::Unknown)).collect();
        for (name, program) in &self.0 {
            let own = |test: &TestName| test.0.strip_prefix(&format!("{name}::")).map(str::to_owned);
            let chosen: BTreeSet<_> = tests.iter().filter_map(own).collect();
            let chosen: Vec<_> = chosen.intersection(&program.tests).cloned().collect();
            for (test, outcome) in program.run(mutant, &chosen)? {
                outcomes.insert(TestName(format!("{name}::{test}")), outcome);
            }
        }
        Ok(outcomes)
    }
}

impl Program {
    fn new(executable: PathBuf, folder: PathBuf) -> Result<Self> {
        let listing =
            Command::new(&executable).args(["--list", "--format", "terse"]).current_dir(&folder).output()?;
        let listing = String::from_utf8(listing.stdout)?;
        let tests =
            listing.lines().filter_map(|line| line.strip_suffix(": test")).map(str::to_owned).collect();
        Ok(Self { executable, folder, tests })
    }

    /// Runs these tests, and kills the program once it has taken too long.
    fn run(&self, mutant: Option<&str>, tests: &[String]) -> Result<BTreeMap<String, Outcome>> {
        let mut outcomes: BTreeMap<_, _> = tests.iter().map(|test| (test.clone(), Outcome::NotRun)).collect();
        if tests.is_empty() {
            return Ok(outcomes);
        }
        let output = tempfile::NamedTempFile::new()?;
        let mut command = Command::new(&self.executable);
        command.arg("--exact").args(tests).current_dir(&self.folder).stdin(Stdio::null());
        command.stdout(File::create(output.path())?).stderr(Stdio::null());
        // Memory and SQLite have all faults; a database server would add seconds to each.
        command.env("PRISM_TEST_BACKENDS", "memory,sqlite").env("RUST_BACKTRACE", "0");
        match mutant {
            Some(mutant) => command.env(VARIABLE, mutant),
            None => command.env_remove(VARIABLE),
        };
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let (mut child, begun) = (command.spawn()?, Instant::now());
        while child.try_wait()?.is_none() {
            if begun.elapsed() > TIMEOUT {
                // With the servers that it has started.
                let _ = Command::new("kill").args(["-KILL", "--", &format!("-{}", child.id())]).status();
                let _ = child.kill();
                child.wait()?;
                break;
            }
            thread::sleep(Duration::from_millis(10));
        }
        for line in String::from_utf8_lossy(&std::fs::read(output.path())?).lines() {
            let Some((test, result)) = line.strip_prefix("test ").and_then(|line| line.split_once(" ... "))
            else {
                continue;
            };
            // An ignored test never fails.
            let has_failed = !["ok", "ignored"].iter().any(|word| result.starts_with(word));
            let outcome = if has_failed { Outcome::Failed } else { Outcome::Passed };
            if let Some(of) = outcomes.get_mut(test.trim_end()) {
                *of = outcome;
            }
        }
        Ok(outcomes)
    }
}

/// A message of cargo about something that it has built.
#[derive(Deserialize)]
struct Artifact {
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    kind: Vec<String>,
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

impl Artifact {
    /// Name, path and folder of a program of tests.
    fn program(self) -> Option<(String, PathBuf, PathBuf)> {
        let (target, executable) = (self.target?, self.executable?);
        self.profile.filter(|profile| profile.test)?;
        let folder = self.manifest_path?.parent()?.to_owned();
        let package = folder.file_name()?.to_str()?;
        let name = if target.kind.iter().any(|kind| kind == "lib") { "lib" } else { &target.name };
        Some((format!("{package}/{name}"), executable, folder))
    }
}
