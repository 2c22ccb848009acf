//! `prism delete`: removes selected items of one record.

use clap::Args;
use clap::builder::StyledStr;
use prism_cli::examples;
use prism_contract::keyvalue::request::{DeleteRequest, KeyPredicate};
use serde_json::json;

use super::connect::ConnectArgs;
use super::failure::Failure;
use super::out::{Out, count};
use super::select::{EscapeArgs, PriorityTokenArgs, SpanArgs};

/// The arguments of `prism delete`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct DeleteArgs {
    /// The namespace
    namespace: String,

    /// The record's id
    id: String,

    /// The keys of the items to delete
    #[arg(value_name = "KEY")]
    keys: Vec<String>,

    #[command(flatten)]
    span: SpanArgs,

    /// Every item of the record
    #[arg(long, conflicts_with_all = ["keys", "prefix", "from", "to"])]
    all: bool,

    #[command(flatten)]
    token: PriorityTokenArgs,

    /// Delete only if KEY has this version; 0: only if it is absent. May be repeated: all must hold
    #[arg(long = "if", value_name = "KEY=VERSION")]
    conditions: Vec<String>,

    #[command(flatten)]
    escape: EscapeArgs,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

fn help() -> StyledStr {
    examples(&[
        ("Two items, and those whose keys start with a prefix", DELETE),
        ("The whole record, unless it has the item lock", "prism delete demo user:2 --all --if lock=0"),
    ])
}

const DELETE: &str = "prism delete demo user:1 seen note\nprism delete demo user:1 --prefix draft/";

impl DeleteArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let request = self.request()?;
        let deleted = self.connect.connect().await?.delete(request).await?.deleted_count;
        if self.connect.json {
            out.json(&json!({ "deleted_count": deleted }))
        } else {
            out.line(&format!("{} deleted", count(deleted, "item")))
        }
    }

    fn request(&self) -> Result<DeleteRequest, Failure> {
        let selected = self.span.predicate_or_keys(&self.keys, self.escape)?;
        let predicate = selected.or_else(|| self.all.then_some(KeyPredicate::MatchAll)).ok_or_else(|| {
            let ways = "keys, --prefix, --from and --to, or --all for every item of the record";
            Failure::usage(format!("no items are selected; give {ways}"))
        })?;
        Ok(DeleteRequest {
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            predicate: Some(predicate),
            item_priority_token: self.token.priority_token,
            preconditions: self.escape.preconditions(&self.conditions)?,
        })
    }
}
