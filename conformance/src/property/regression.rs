//! Divergences that were found once, shrunk, and are replayed first for ever.

use std::io;
use std::path::{Path, PathBuf};

use futures::FutureExt;
use serde::{Deserialize, Serialize};

use super::{play, within};
use crate::op::Op;
use crate::run::{CaseResult, Server, Settings, prove};
use crate::{Harness, cases};

/// Operations that once made a store diverge.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Regression {
    /// The case that found them.
    pub case: String,
    /// The seed it found them with.
    pub seed: u64,
    /// What went wrong.
    pub note: String,
    /// What to do, a line each.
    pub operations: Vec<Op>,
}

impl Regression {
    /// The name under which a failing case attaches its regression to its result.
    pub const ATTACHMENT: &'static str = "regression.json";

    /// The regression that a failed random case left behind.
    pub fn of(result: &CaseResult) -> Option<Self> {
        let (_, json) = result.attachments.iter().find(|(name, _)| name == Self::ATTACHMENT)?;
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

/// A file of `fixtures/regressions`: its name and its content.
macro_rules! regression {
    ($name:literal) => {
        ($name, include_str!(concat!("../../../fixtures/regressions/", $name)))
    };
}

/// The files of `fixtures/regressions`; a test holds the list against the folder.
const COMMITTED: &[(&str, &str)] = &[
    regression!("property-conditions_guard_every_write-6fc909a4380cee26.json"),
    regression!("property-items_end_with_their_ttl-c11b870b70546786.json"),
    regression!("property-operations_agree_with_the_model-01606c5ae181cbd7.json"),
    regression!("property-operations_agree_with_the_model-27f6a061ae031759.json"),
    regression!("property-operations_agree_with_the_model-a39880775d46dd72.json"),
    regression!("property-operations_agree_with_the_model-98f8cb5581516686.json"),
    regression!("property-operations_agree_with_the_model-cb1fcd2bed32826b.json"),
    regression!("property-operations_agree_with_the_model-e64d70865061c1b8.json"),
    regression!("property-pages_go_on_under_writes-8af9ad9fd56e2097.json"),
    regression!("property-restarts_change_nothing-406b77472cb3d265.json"),
    regression!("property-tokens_outlive_their_items-0df831c3086e5005.json"),
    regression!("property-tokens_outlive_their_items-9fec3d29ee630797.json"),
];

/// The regressions that this suite carries with it, by file name.
pub fn committed() -> impl Iterator<Item = (&'static str, Regression)> {
    COMMITTED.iter().map(|(name, json)| {
        let regression = Regression::from_json(json).expect("a test reads each committed regression");
        (*name, regression)
    })
}

/// Plays `regression` on a fresh store of `harness`, as far as the store claims what it asks for. The result carries the
/// case that found it, where that is known, and otherwise the general property.
pub async fn replay(harness: &dyn Harness, regression: &Regression, settings: Settings) -> CaseResult {
    let general = || cases::by_id("property::operations_agree_with_the_model");
    let case = cases::by_id(&regression.case).or_else(general).expect("the general property is a case");
    let operations = regression.operations.clone();
    // Recorded operations may restart the store, also where the case that is named for them does not.
    prove(harness, case, settings, Server::OfItsOwn, move |ctx| {
        async move {
            let ops = within(&operations, ctx.claims(), ctx.abilities());
            play(ctx, &ops).await.map(|_| ())
        }
        .boxed()
    })
    .await
}
