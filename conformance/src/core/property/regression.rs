//! Divergences that were found once, shrunk, and are replayed first for ever.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use futures::FutureExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Sequential;
use crate::core::Harness;
use crate::core::run::{CaseResult, Server, Settings, prove};

/// The name under which a failing case attaches its regression to its result.
pub const REGRESSION: &str = "regression.json";

/// Operations that once made a store diverge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regression<Op> {
    /// The case that found them.
    pub case: String,
    /// The seed it found them with.
    pub seed: u64,
    /// What went wrong.
    pub note: String,
    /// What to do, a line each.
    pub operations: Vec<Op>,
}

impl<Op: Display + Serialize + DeserializeOwned> Regression<Op> {
    /// The regression that a failed random case left behind.
    pub fn of<A: Sequential<Op = Op>>(result: &CaseResult<A>) -> Option<Self> {
        let (_, json) = result.attachments.iter().find(|(name, _)| name == REGRESSION)?;
        Self::from_json(json).ok()
    }

    /// As JSON, the form of `fixtures/regressions`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("text and numbers are always JSON") + "\n"
    }

    /// From JSON; the error says what is wrong with it.
    pub fn from_json(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|why| why.to_string())
    }

    /// Writes it to `dir`, under a name made of the case and what the operations are, and answers where.
    pub fn save(&self, dir: &Path) -> io::Result<PathBuf> {
        let hash = self.operations.iter().map(ToString::to_string).flat_map(String::into_bytes);
        let hash = hash.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let path = dir.join(format!("{}-{hash:016x}.json", self.case.replace("::", "-")));
        std::fs::create_dir_all(dir)?;
        std::fs::write(&path, self.to_json())?;
        Ok(path)
    }
}

/// Plays `regression` on a fresh store of `harness`, as far as the store claims what it asks for. The result carries the
/// case that found it, where that is known, and otherwise the general property.
pub async fn replay<A: Sequential>(
    harness: &dyn Harness<A>,
    regression: &Regression<A::Op>,
    settings: Settings,
) -> CaseResult<A> {
    let general = || A::case(A::GENERAL);
    let case = A::case(&regression.case).or_else(general).expect("the general property is a case");
    let operations = regression.operations.clone();
    // Recorded operations may restart the store, also where the case that is named for them does not.
    prove(harness, case, settings, Server::OfItsOwn, move |ctx| {
        async move {
            let ops = A::within(&operations, ctx.claims(), ctx.abilities());
            A::play(ctx, &ops).await.map(|_| ())
        }
        .boxed()
    })
    .await
}
