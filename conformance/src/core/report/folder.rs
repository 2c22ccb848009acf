//! The folder of a run's failures: their full text, their ids, and the documents that they attach.

use std::path::{Path, PathBuf};
use std::{env, fs, io};

use super::{CaseOutcome, Report, failure};
use crate::core::run::namespace_prefix;

/// The text of all failures. A folder with this file was made by a run.
const FAILURES: &str = "failures.txt";

/// The ids of the failed cases, one per line, for `--only @FILE`.
const FAILED: &str = "failed.txt";

/// The folder for a run's failures: beside its report, `report.html` and `report-failures`, otherwise a new one among the
/// temporary files. The folder of an earlier run is removed; any other folder is left alone, and the name gets a number.
///
/// # Errors
/// If an earlier folder cannot be removed.
pub fn failures_folder(report: Option<&Path>) -> io::Result<PathBuf> {
    let Some(report) = report else {
        return Ok(env::temp_dir().join(namespace_prefix().trim_end_matches('-')));
    };
    let stem = report.file_stem().unwrap_or_default().to_string_lossy();
    let names = std::iter::once(format!("{stem}-failures"))
        .chain((2_u32..).map(|number| format!("{stem}-failures-{number}")));
    for name in names {
        let folder = report.with_file_name(name);
        if folder.join(FAILURES).is_file() {
            fs::remove_dir_all(&folder)?;
        }
        if !folder.exists() {
            return Ok(folder);
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

impl Report {
    /// Saves the text and the ids of the failures in `folder`, if there are any, and remembers the folder.
    pub(crate) fn save_failures(&mut self, folder: &Path) {
        let faults = self.cases.iter().filter(|case| case.outcome.is_fault());
        let text: Vec<_> = faults.map(|case| failure(case, &self.target, &self.run)).collect();
        if text.is_empty() {
            return;
        }
        let failed = self.cases.iter().filter(|case| case.outcome == CaseOutcome::Failed);
        let ids: String = failed.flat_map(|case| [case.id, "\n"]).collect();
        let written = fs::create_dir_all(folder)
            .and_then(|()| fs::write(folder.join(FAILURES), text.join("\n")))
            .and_then(|()| fs::write(folder.join(FAILED), ids));
        self.failures = written.is_ok().then(|| folder.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::core::report::fixture;

    #[test]
    fn the_folder_beside_a_report_replaces_that_of_an_earlier_run_only() {
        let place = tempfile::tempdir().expect("a folder is created");
        let report = place.path().join("out.html");
        let folder = || failures_folder(Some(&report)).expect("a folder is chosen");
        assert_eq!(folder(), place.path().join("out-failures"));
        fixture::report().save_failures(&folder());
        let ids =
            fs::read_to_string(place.path().join("out-failures/failed.txt")).expect("the ids are saved");
        assert_eq!(ids, "put::replaces_the_whole_item\n");
        assert_eq!(folder(), place.path().join("out-failures"));
        assert!(!place.path().join("out-failures").exists(), "the earlier folder is still there");
        fs::create_dir(place.path().join("out-failures")).expect("a folder is created");
        assert_eq!(folder(), place.path().join("out-failures-2"));
    }

    #[test]
    fn nothing_is_saved_without_a_failure() {
        let place = tempfile::tempdir().expect("a folder is created");
        let folder = place.path().join("new");
        let mut report = fixture::report();
        report.cases.retain(|case| case.outcome == CaseOutcome::Passed);
        report.save_failures(&folder);
        assert!(!folder.exists() && report.failures.is_none());
    }
}
