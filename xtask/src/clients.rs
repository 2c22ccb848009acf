//! Clients in other languages: generated with buf into gen/, then smoke-tested.
//!
//! Tool versions are pinned in proto/clients. The tools are installed below target/codegen, so only the language and its
//! package manager are required, and the source tree stays clean.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::{Result, lint, process, tree};

const PYTHON_HINT: &str = "Generating clients needs Python 3.10 or newer, with venv and pip.";
const NODE_HINT: &str = "TypeScript clients need Node.js 20 or newer, with npm.";

/// A client language.
#[derive(Clone, Copy, clap::ValueEnum)]
pub(crate) enum Language {
    /// Messages, stubs and gRPC calls, by grpcio-tools
    Python,
    /// Messages and service descriptions for Protobuf-ES and Connect
    Typescript,
}

/// Generates the client into gen/ and smoke-tests it: encodes and decodes a message, reads an option.
pub(crate) fn generate(language: Language) -> Result {
    match language {
        Language::Python => python(),
        Language::Typescript => typescript(),
    }
}

fn python() -> Result {
    let bin = python_environment()?;
    buf_generate(&bin.join("buf"), "python", &bin, tree::root())?;
    process::run(
        Command::new(bin.join("python3"))
            .arg("-B")
            .arg(tree::proto().join("clients/python/round_trip.py"))
            .env("PYTHONPATH", tree::root().join("gen/python")),
        "",
    )
}

fn typescript() -> Result {
    let sources = tree::proto().join("clients/typescript");
    let environment = tree::tools().join("typescript");
    let bin = environment.join("node_modules/.bin");
    fs::create_dir_all(&environment)?;
    for file in ["package.json", "package-lock.json", "tsconfig.json", "round_trip.ts"] {
        fs::copy(sources.join(file), environment.join(file))?;
    }
    process::run(
        Command::new("npm").args(["ci", "--silent", "--no-audit", "--no-fund"]).current_dir(&environment),
        NODE_HINT,
    )?;
    let buf = find_buf()?;
    buf_generate(&buf, "typescript", &bin, tree::root())?;
    // Again beside the imported runtime, which users of gen/ install themselves.
    buf_generate(&buf, "typescript", &bin, &environment)?;
    process::run(Command::new(bin.join("tsc")).current_dir(&environment), "")?;
    process::run(Command::new("node").arg("built/round_trip.js").current_dir(&environment), NODE_HINT)
}

/// Installs the Python tools, including buf, and returns their bin folder.
fn python_environment() -> Result<PathBuf> {
    let environment = tree::tools().join("python");
    let bin = environment.join("bin");
    process::run(Command::new("python3").args(["-m", "venv"]).arg(&environment), PYTHON_HINT)?;
    process::run(
        Command::new(bin.join("python3"))
            .args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--requirement"])
            .arg(tree::proto().join("clients/python/requirements.txt")),
        PYTHON_HINT,
    )?;
    Ok(bin)
}

/// The installed buf, else the one of the Python tools.
fn find_buf() -> Result<PathBuf> {
    let mut installed = lint::buf();
    if installed.arg("--version").output().is_ok_and(|output| output.status.success()) {
        return Ok(installed.get_program().into());
    }
    Ok(python_environment()?.join("buf"))
}

/// Generates `language` from its template, with the plugins in `bin`, into gen/ below `output`.
fn buf_generate(buf: &Path, language: &str, bin: &Path, output: &Path) -> Result {
    let mut command = Command::new(buf);
    command
        .current_dir(tree::root())
        .args(["generate", "proto", "--template"])
        .arg(format!("proto/buf.gen.{language}.yaml"))
        .arg("--output")
        .arg(output)
        .env("PATH", path_with(bin)?);
    process::run(&mut command, lint::BUF_HINT)
}

/// PATH with `bin` in front.
fn path_with(bin: &Path) -> Result<OsString> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    let folders = [PathBuf::from(bin)].into_iter().chain(std::env::split_paths(&rest));
    Ok(std::env::join_paths(folders)?)
}
