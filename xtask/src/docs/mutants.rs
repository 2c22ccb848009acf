//! The page of the mutants of the wrappers, from their catalogue and the recorded matrix.

use std::fmt::Write;

use crate::Result;
use crate::mutants::{CATALOGUE, recorded};

/// `docs/wrapper-mutants.md`.
pub(super) fn page() -> Result<String> {
    let recorded = recorded()?;
    let mut text = String::from(
        "# Mutants of the wrappers\n\n\
         <!-- Made by `cargo xtask docs` from mutants/; do not edit. -->\n\n",
    );
    let _ = writeln!(
        text,
        "{} seeded faults of the router, the encryption, the catalog of namespaces, the rates, the control plane, the audit \
         log and the masking, and the tests that fail with each. [Architecture](architecture.md#mutants-of-the-wrappers) \
         explains how they are selected and run.",
        CATALOGUE.len()
    );
    let mut area = "";
    for mutant in CATALOGUE {
        if mutant.area() != area {
            area = mutant.area();
            let _ = writeln!(text, "\n## {area}");
        }
        let _ = writeln!(text, "\n### {}\n\n{} Caught by:\n", mutant.id, mutant.description);
        for test in recorded.get(mutant.id).into_iter().flatten() {
            let _ = writeln!(text, "- `{test}`");
        }
    }
    Ok(text)
}
