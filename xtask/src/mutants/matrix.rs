//! The recorded matrix: the tests that fail with each mutant.

use std::fmt::Write;
use std::fs;
use std::path::PathBuf;

use super::{CATALOGUE, Kills};
use crate::{Result, tree};

fn path() -> PathBuf {
    tree::root().join("mutants/kill-matrix.json")
}

/// The recorded matrix; empty if there is none.
pub(crate) fn read() -> Result<Kills> {
    let path = path();
    Ok(if path.exists() { serde_json::from_str(&fs::read_to_string(path)?)? } else { Kills::new() })
}

/// Replaces the mutants whose ids begin with `prefix`, and removes those that are not in the catalogue.
pub(super) fn write(mut recorded: Kills, kills: Kills, prefix: &str) -> Result {
    recorded.retain(|id, _| !id.starts_with(prefix) && CATALOGUE.iter().any(|mutant| mutant.id == id));
    recorded.extend(kills);
    Ok(fs::write(path(), text(&recorded))?)
}

/// The file's text: one test per line, for readable diffs.
fn text(kills: &Kills) -> String {
    let mut text = String::from("{\n");
    for (at, (mutant, tests)) in kills.iter().enumerate() {
        let tests: Vec<_> = tests.iter().map(|test| format!("  \"{test}\"")).collect();
        let comma = if at + 1 == kills.len() { "" } else { "," };
        let _ = writeln!(text, "\"{mutant}\": [\n{}\n]{comma}", tests.join(",\n"));
    }
    text + "}\n"
}
