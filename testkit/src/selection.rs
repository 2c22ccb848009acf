//! Selection of the backends whose tests run: all, unless `PRISM_TEST_BACKENDS` restricts it.

use crate::Error;

const VARIABLE: &str = "PRISM_TEST_BACKENDS";

/// A backend under test.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// The in-memory reference backend.
    Memory,
    /// SQLite.
    Sqlite,
    /// Postgres.
    Postgres,
    /// Kafka.
    Kafka,
}

impl Backend {
    /// All backends, in report order.
    pub const ALL: [Self; 4] = [Self::Memory, Self::Sqlite, Self::Postgres, Self::Kafka];

    /// Its name in `PRISM_TEST_BACKENDS`.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
            Self::Kafka => "kafka",
        }
    }
}

/// Whether the tests of `backend` run: `PRISM_TEST_BACKENDS` is a comma-separated list of `memory`, `sqlite`, `postgres` and `kafka`;
/// if unset, all run.
///
/// Skipping is never silent. An excluded libtest-mimic trial is flagged as ignored and shows the reason from [`left_out`]; a
/// `#[test]` calls [`skips`].
///
/// # Panics
/// The list is empty or contains an unknown name.
#[must_use]
pub fn selected(backend: Backend) -> bool {
    left_out(backend).is_none()
}

/// Why the tests of `backend` do not run (`PRISM_TEST_BACKENDS=sqlite excludes postgres`), or `None` if they do.
///
/// # Panics
/// As [`selected`].
#[must_use]
pub fn left_out(backend: Backend) -> Option<String> {
    match parse(std::env::var(VARIABLE).ok().as_deref()) {
        Ok(chosen) if chosen.contains(&backend) => None,
        Ok(_) => {
            let value = std::env::var(VARIABLE).unwrap_or_default();
            Some(format!("{VARIABLE}={value} excludes {}", backend.name()))
        }
        Err(error) => panic!("{error}"),
    }
}

/// First line of a `#[test]` that needs `backend`: `if skips(Backend::Postgres, "its name") { return; }`.
///
/// Reports a skip on stderr, past the harness's capture: libtest cannot mark a running test as ignored, and a silent skip
/// would look like a pass.
///
/// # Panics
/// As [`selected`].
#[must_use]
pub fn skips(backend: Backend, test: &str) -> bool {
    let reason = left_out(backend);
    if let Some(reason) = &reason {
        crate::report(&format!("SKIPPED {test}: {reason}"));
    }
    reason.is_some()
}

/// Second line of a `#[test]` that needs installed programs: `if lacks(&["pgbouncer"], "its name") { return; }`. They are
/// looked up on `PATH`, in `/usr/sbin`, and beside PostgreSQL's programs.
///
/// Reports a missing program as [`skips`] does.
#[must_use]
pub fn lacks(programs: &[&str], test: &str) -> bool {
    let missing: Vec<_> = programs.iter().copied().filter(|name| find(name).is_none()).collect();
    if !missing.is_empty() {
        crate::report(&format!("SKIPPED {test}: this machine has no {}", missing.join(", no ")));
    }
    !missing.is_empty()
}

/// Path of an installed program.
pub(crate) fn find(name: &str) -> Option<std::path::PathBuf> {
    let beside = crate::binaries::find_programs().ok().map(|folder| folder.join(name));
    let elsewhere = [std::path::Path::new("/usr/sbin").join(name)].into_iter().chain(beside);
    crate::watchdog::find_program(name).or_else(|| elsewhere.into_iter().find(|path| path.is_file()))
}

fn parse(value: Option<&str>) -> Result<Vec<Backend>, Error> {
    let Some(value) = value else { return Ok(Backend::ALL.to_vec()) };
    let invalid = |what: String| Error::Variable {
        variable: VARIABLE,
        value: value.to_owned(),
        allowed: format!(
            "{what}; a comma-separated list of memory, sqlite, postgres and kafka is allowed, unset means all"
        ),
    };
    if value.trim().is_empty() {
        return Err(invalid("no backend is listed".to_owned()));
    }
    value
        .split(',')
        .map(|name| {
            let name = name.trim();
            Backend::ALL
                .into_iter()
                .find(|backend| backend.name() == name)
                .ok_or_else(|| invalid(format!("{name:?} is not a backend")))
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_the_variable_all_backends_are_selected() {
        assert_eq!(parse(None), Ok(Backend::ALL.to_vec()));
    }

    #[test]
    fn a_list_selects_exactly_its_backends() {
        assert_eq!(parse(Some("sqlite")), Ok(vec![Backend::Sqlite]));
        assert_eq!(parse(Some("postgres, memory")), Ok(vec![Backend::Postgres, Backend::Memory]));
    }

    #[test]
    fn an_unknown_backend_is_an_error_that_lists_the_allowed_ones() {
        let error = parse(Some("sqlite,postgresql")).unwrap_err().to_string();
        assert_eq!(
            error,
            "PRISM_TEST_BACKENDS=sqlite,postgresql: \"postgresql\" is not a backend; a comma-separated list of memory, \
             sqlite, postgres and kafka is allowed, unset means all"
        );
        assert!(parse(Some("")).unwrap_err().to_string().contains("no backend is listed"));
    }
}
