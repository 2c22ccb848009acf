//! Which backends' tests run: all of them, unless `PRISM_TEST_BACKENDS` says on purpose that some are left out.

use crate::Error;

const VARIABLE: &str = "PRISM_TEST_BACKENDS";

/// A backend that tests may be about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The in-memory reference backend.
    Memory,
    /// SQLite.
    Sqlite,
    /// Postgres.
    Postgres,
}

impl Backend {
    /// Every backend, in the order of reports.
    pub const ALL: [Self; 3] = [Self::Memory, Self::Sqlite, Self::Postgres];

    /// Its name in `PRISM_TEST_BACKENDS`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// Whether the tests of `backend` run: `PRISM_TEST_BACKENDS` is a comma list of `memory`, `sqlite` and `postgres`; without
/// it, all do.
///
/// Skipping is never silent. A libtest-mimic trial that is left out is flagged as ignored and named with [`left_out`]; a
/// `#[test]` calls [`skips`].
///
/// # Panics
/// The list holds a name that is none of these, or no name at all.
#[must_use]
pub fn selected(backend: Backend) -> bool {
    left_out(backend).is_none()
}

/// Why the tests of `backend` do not run (`PRISM_TEST_BACKENDS=sqlite leaves postgres out`), or `None` if they do.
///
/// # Panics
/// As [`selected`].
#[must_use]
pub fn left_out(backend: Backend) -> Option<String> {
    match parse(std::env::var(VARIABLE).ok().as_deref()) {
        Ok(chosen) if chosen.contains(&backend) => None,
        Ok(_) => {
            let value = std::env::var(VARIABLE).unwrap_or_default();
            Some(format!("{VARIABLE}={value} leaves {} out", backend.name()))
        }
        Err(error) => panic!("{error}"),
    }
}

/// As the first line of a `#[test]` that needs `backend`: `if skips(Backend::Postgres, "its name") { return; }`.
///
/// If the backend is left out, it says so on the process's stderr, which the harness does not capture: libtest has no way
/// to call a test ignored once it runs, and a skip that nobody reads of would look like a pass.
///
/// # Panics
/// As [`selected`].
#[must_use]
pub fn skips(backend: Backend, test: &str) -> bool {
    let reason = left_out(backend);
    if let Some(reason) = &reason {
        crate::say(&format!("SKIPPED {test}: {reason}"));
    }
    reason.is_some()
}

/// As the second line of a `#[test]` that needs programs of the machine: `if lacks(&["pgbouncer"], "its name") { return; }`.
/// They are looked for on `PATH`, in `/usr/sbin`, and beside PostgreSQL's programs.
///
/// If one is not there, it says so as [`skips`] does.
#[must_use]
pub fn lacks(programs: &[&str], test: &str) -> bool {
    let missing: Vec<_> = programs.iter().copied().filter(|name| find(name).is_none()).collect();
    if !missing.is_empty() {
        crate::say(&format!("SKIPPED {test}: this machine has no {}", missing.join(", no ")));
    }
    !missing.is_empty()
}

/// Where a program is.
pub(crate) fn find(name: &str) -> Option<std::path::PathBuf> {
    let beside = crate::binaries::find_programs().ok().map(|folder| folder.join(name));
    let elsewhere = [std::path::Path::new("/usr/sbin").join(name)].into_iter().chain(beside);
    crate::watchdog::find_program(name).or_else(|| elsewhere.into_iter().find(|path| path.is_file()))
}

fn parse(value: Option<&str>) -> Result<Vec<Backend>, Error> {
    let Some(value) = value else { return Ok(Backend::ALL.to_vec()) };
    let wrong = |what: String| Error::Variable {
        variable: VARIABLE,
        value: value.to_owned(),
        allowed: format!(
            "{what}; a comma list of memory, sqlite and postgres is allowed, and not set means all of them"
        ),
    };
    if value.trim().is_empty() {
        return Err(wrong("it names no backend".to_owned()));
    }
    value
        .split(',')
        .map(|name| {
            let name = name.trim();
            Backend::ALL
                .into_iter()
                .find(|backend| backend.name() == name)
                .ok_or_else(|| wrong(format!("{name:?} is no backend")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_variable_all_backends_are_selected() {
        assert_eq!(parse(None), Ok(vec![Backend::Memory, Backend::Sqlite, Backend::Postgres]));
    }

    #[test]
    fn a_list_selects_what_it_names_and_nothing_else() {
        assert_eq!(parse(Some("sqlite")), Ok(vec![Backend::Sqlite]));
        assert_eq!(parse(Some("postgres, memory")), Ok(vec![Backend::Postgres, Backend::Memory]));
    }

    #[test]
    fn a_name_that_is_no_backend_is_an_error_that_says_what_is_allowed() {
        let error = parse(Some("sqlite,postgresql")).unwrap_err().to_string();
        assert_eq!(
            error,
            "PRISM_TEST_BACKENDS=sqlite,postgresql: \"postgresql\" is no backend; a comma list of memory, sqlite and \
             postgres is allowed, and not set means all of them"
        );
        assert!(parse(Some("")).unwrap_err().to_string().contains("it names no backend"));
    }
}
