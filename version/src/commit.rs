//! The commit that a program is built from; part of the build script, and of this crate's tests.

use std::path::{Path, PathBuf};
use std::process::Command;

/// Digits of a hash that are shown.
const DIGITS: usize = 7;

/// Reads `HASH` or `HASH DATE`, such as `abc1234 2026-11-29`. The hash is shortened to 7 digits.
pub(crate) fn parse(text: &str) -> Result<String, String> {
    let error = || {
        format!(
            "is '{text}'; a hash of 7 to 64 hexadecimal digits is allowed, and a date after it, as in \
             'abc1234 2026-11-29'"
        )
    };
    let (hash, date) = text.split_once(' ').map_or((text, None), |(hash, date)| (hash, Some(date)));
    if !(DIGITS..=64).contains(&hash.len()) || !hash.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return Err(error());
    }
    let hash = &hash[..DIGITS];
    match date {
        None => Ok(hash.to_owned()),
        Some(date) if is_date(date) => Ok(format!("{hash} {date}")),
        Some(_) => Err(error()),
    }
}

fn is_date(text: &str) -> bool {
    let fits =
        |(at, byte): (usize, u8)| if at == 4 || at == 7 { byte == b'-' } else { byte.is_ascii_digit() };
    text.len() == 10 && text.bytes().enumerate().all(fits)
}

/// Hash and date of the commit that is checked out at `root`. `None` without git or a commit, and if `root` is only a folder
/// of another repository: an unpacked archive there is not of that repository's commit.
pub(crate) fn checked_out(root: &Path) -> Option<String> {
    let top = PathBuf::from(git(root, &["rev-parse", "--show-toplevel"])?);
    if top.canonicalize().ok()? != root.canonicalize().ok()? {
        return None;
    }
    parse(&git(root, &["log", "-1", "--format=%H %cs"])?).ok()
}

/// The files and folders that change with the commit that is checked out: `HEAD`, and the file of its branch. A branch without
/// such a file is in `packed-refs` until its next commit, which creates the file. All of them exist: cargo would repeat the
/// build script at every build for one that does not.
pub(crate) fn watched(root: &Path) -> Vec<PathBuf> {
    let path = |name: &str| git(root, &["rev-parse", "--git-path", name]).map(|path| root.join(path));
    let mut files = vec![path("HEAD")];
    if let Some(branch) = git(root, &["symbolic-ref", "--quiet", "HEAD"]).and_then(|branch| path(&branch)) {
        if branch.exists() {
            files.push(Some(branch));
        } else {
            files.push(path("packed-refs"));
            files.push(branch.ancestors().find(|folder| folder.is_dir()).map(Path::to_owned));
        }
    }
    files.into_iter().flatten().filter(|file| file.exists()).collect()
}

/// The output of git without its last line break; `None` if it fails or prints nothing.
fn git(root: &Path, arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").arg("-C").arg(root).args(arguments).output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?.trim_end().to_owned();
    (output.status.success() && !text.is_empty()).then_some(text)
}
