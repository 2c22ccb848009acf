//! Lints of the .proto files: style, comments, and compatibility with an earlier commit.

use std::process::Command;

use crate::{Result, process, tree};

/// How to install buf.
pub(crate) const BUF_HINT: &str = "Get buf with `pip install buf-bin`, `npm install --global @bufbuild/buf` or `brew install bufbuild/buf/buf`, \
     or name its path in the environment variable BUF.";

/// Runs `buf lint`, then `buf breaking` against the .proto files of the git commit `against`.
pub(crate) fn run(against: &str) -> Result {
    process::run(buf().arg("lint"), BUF_HINT)?;
    process::run(buf().arg("breaking").arg("--against").arg(git_source(against)), BUF_HINT)
}

/// The buf command, run in the folder of its configuration.
pub(crate) fn buf() -> Command {
    let mut command = Command::new(std::env::var_os("BUF").unwrap_or_else(|| "buf".into()));
    command.current_dir(tree::proto());
    command
}

/// The .proto files of a git commit, in buf's notation.
fn git_source(git_ref: &str) -> String {
    format!("{}/.git#ref={git_ref},subdir=proto", tree::root().display())
}

#[cfg(test)]
mod tests {
    use super::git_source;

    #[test]
    fn the_git_source_is_the_proto_folder_of_a_commit() {
        let source = git_source("v0.1.0");
        assert!(source.ends_with("/.git#ref=v0.1.0,subdir=proto"), "{source}");
    }
}
