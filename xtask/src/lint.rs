//! The lints of the .proto files: style and comments, and compatibility with an earlier commit.

use std::process::Command;

use crate::{Result, process, tree};

/// How to get buf, for whoever lacks it.
pub(crate) const BUF_HINT: &str = "Get buf with `pip install buf-bin`, `npm install --global @bufbuild/buf` or `brew install bufbuild/buf/buf`, \
     or name its path in the environment variable BUF.";

/// Runs `buf lint`, then `buf breaking` against the .proto files of the git commit `against`.
pub(crate) fn run(against: &str) -> Result {
    process::run(buf().arg("lint"), BUF_HINT)?;
    process::run(buf().arg("breaking").arg("--against").arg(past(against)), BUF_HINT)
}

/// The buf program, run in the folder that holds its configuration.
pub(crate) fn buf() -> Command {
    let mut command = Command::new(std::env::var_os("BUF").unwrap_or_else(|| "buf".into()));
    command.current_dir(tree::proto());
    command
}

/// The .proto files of a git commit, in buf's notation.
fn past(git_ref: &str) -> String {
    format!("{}/.git#ref={git_ref},subdir=proto", tree::root().display())
}

#[cfg(test)]
mod tests {
    use super::past;

    #[test]
    fn the_past_is_the_proto_folder_of_a_commit_of_this_repository() {
        let past = past("v0.1.0");
        assert!(past.ends_with("/.git#ref=v0.1.0,subdir=proto"), "{past}");
    }
}
