//! Regressions: recorded, shrunk divergences that are replayed before random operations.

use std::fmt::Display;
use std::io;
use std::path::{Path, PathBuf};

use futures::FutureExt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::Sequential;
use crate::core::Harness;
use crate::core::run::{CaseResult, Server, Settings, prove};

/// The attachment name of a failing case's regression.
pub const REGRESSION: &str = "regression.json";

/// Operations that made a store diverge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regression<Op> {
    /// The id of the case that found the divergence.
    pub case: String,
    /// The seed of that run.
    pub seed: u64,
    /// The divergence.
    pub note: String,
    /// The operations, a line each.
    pub operations: Vec<Op>,
}

impl<Op: Display + Serialize + DeserializeOwned> Regression<Op> {
    /// The regression attached by a failed random case.
    pub fn of<A: Sequential<Op = Op>>(result: &CaseResult<A>) -> Option<Self> {
        let (_, json) = result.attachments.iter().find(|(name, _)| name == REGRESSION)?;
        Self::from_json(json).ok()
    }

    /// Serializes to JSON, the format of `fixtures/regressions`.
    pub fn to_json(&self) -> String {
        serde_json::to_string_pretty(self).expect("text and numbers are always JSON") + "\n"
    }

    /// Parses JSON; the error describes the fault.
    pub fn from_json(json: &str) -> Result<Self, String> {
        serde_json::from_str(json).map_err(|why| why.to_string())
    }

    /// Writes a file to `dir`, named by the case and a hash of the operations, and returns its path.
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

/// Plays `regression` on a fresh store of `harness`, without the operations that the store does not support. The result's
/// case is the one that found it, or the general property if that is unknown.
pub async fn replay<A: Sequential>(
    harness: &dyn Harness<A>,
    regression: &Regression<A::Op>,
    settings: Settings,
) -> CaseResult<A> {
    let general = || A::case(A::GENERAL);
    let case = A::case(&regression.case).or_else(general).expect("the general property is a case");
    let operations = regression.operations.clone();
    // Recorded operations may restart the store, even if their case does not.
    prove(harness, case, settings, Server::Dedicated, move |ctx| {
        async move {
            let ops = A::within(&operations, ctx.capabilities(), ctx.abilities());
            A::play(ctx, &ops).await.map(|_| ())
        }
        .boxed()
    })
    .await
}
