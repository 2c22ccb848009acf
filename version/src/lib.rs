//! The version that `prism --version` and `prism-conformance --version` print.
//!
//! A separate crate, so that both programs share one mechanism, and so that a commit rebuilds nothing but them.

/// The version, with commit and date where the build knows them: `0.1.0 (abc1234 2026-11-29)`, else `0.1.0`.
///
/// The commit is that of the environment variable `PRISM_COMMIT` during the build, else, in a release build, the one that git
/// has checked out. It does not tell whether the sources had uncommitted changes.
pub const VERSION: &str = env!("PRISM_VERSION");
