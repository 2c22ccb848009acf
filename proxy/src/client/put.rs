//! `prism put`: writes items of one record.

use std::io::Read;
use std::time::Duration;

use bytes::Bytes;
use clap::Args;
use clap::builder::StyledStr;
use prism_cli::examples;
use prism_contract::keyvalue::request::{ItemInput, PutRequest, Ttl};
use prism_contract::keyvalue::{Limits, PutResult};
use serde_json::json;

use super::bytes::escape;
use super::connect::ConnectArgs;
use super::failure::Failure;
use super::jsonl::key_json;
use super::out::{Out, count, grouped};
use super::select::{EscapeArgs, PriorityTokenArgs};
use super::time;
use crate::exit::Exit;

/// The arguments of `prism put`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct PutArgs {
    /// The namespace
    namespace: String,

    /// The record's id
    id: String,

    /// The items to write; a key ends at the first '='
    #[arg(value_name = "KEY=VALUE", required_unless_present = "file")]
    items: Vec<String>,

    /// An item whose value is the content of a file; '-' is standard input
    #[arg(long, value_name = "KEY=PATH")]
    file: Vec<String>,

    /// The media type of every value, such as text/plain
    #[arg(long, value_name = "TYPE", default_value = "", hide_default_value = true)]
    content_type: String,

    /// The time to live of the items, such as 30s, 10m or 7d; without it they never expire
    #[arg(long, value_name = "SPAN", value_parser = time::parse_duration)]
    ttl: Option<Duration>,

    #[command(flatten)]
    token: PriorityTokenArgs,

    /// Write only if KEY has this version; 0: only if it is absent. May be repeated: all must hold
    #[arg(long = "if", value_name = "KEY=VERSION")]
    conditions: Vec<String>,

    #[command(flatten)]
    escape: EscapeArgs,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

fn help() -> StyledStr {
    examples(&[
        ("Two items of the record user:1", "prism put demo user:1 name=Alice city=Paris"),
        ("An item from a file, one from standard input, and one that expires", CONTENT),
        ("Only if the item is absent", "prism put demo user:2 city=Rome --if city=0"),
        (
            "Safe to repeat: a later call with this token or a lower one writes nothing, and exits with 6",
            TOKEN,
        ),
    ])
}

const CONTENT: &str = "\
printf 'a note' > note.txt
prism put demo user:1 --file note=note.txt --content-type text/plain
date | prism put demo user:1 --file seen=- --ttl 10m";
const TOKEN: &str = "prism put demo user:1 city=Lyon --priority-token 7";

impl PutArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let request = self.request()?;
        let keys: Vec<_> = request.items.iter().map(|item| item.key.clone()).collect();
        let response = self.connect.connect().await?.put(request).await?;
        for (key, result) in keys.iter().zip(&response.results) {
            if self.connect.json {
                out.json(&result_json(key, *result))?;
            } else {
                out.line(&result_text(key, *result))?;
            }
        }
        let superseded = response.results.iter().filter(|result| !result.applied).count() as u64;
        if superseded == 0 {
            return Ok(());
        }
        let (items, all) = (grouped(superseded), count(keys.len() as u64, "item"));
        let why =
            format!("not written: {items} of {all}; an equal or higher priority token was there before");
        Err(Failure::new(Exit::Superseded, why))
    }

    fn request(&self) -> Result<PutRequest, Failure> {
        let mut items = Vec::with_capacity(self.items.len() + self.file.len());
        for argument in &self.items {
            let (key, value) = split_at_equals(argument, "KEY=VALUE")?;
            items.push(self.item(key, self.escape.bytes(value)?)?);
        }
        if self.file.iter().filter(|argument| argument.ends_with("=-")).count() > 1 {
            return Err(Failure::usage("standard input can be the value of one item only"));
        }
        for argument in &self.file {
            let (key, path) = split_at_equals(argument, "--file KEY=PATH")?;
            items.push(self.item(key, read_value(path)?)?);
        }
        let ttl = self.ttl.map(|ttl| Ttl {
            seconds: i64::try_from(ttl.as_secs()).unwrap_or(i64::MAX),
            nanos: ttl.subsec_nanos().cast_signed(),
        });
        Ok(PutRequest {
            namespace: self.namespace.clone(),
            id: self.id.clone(),
            items,
            item_priority_token: self.token.priority_token,
            ttl,
            preconditions: self.escape.preconditions(&self.conditions)?,
        })
    }

    fn item(&self, key: &str, value: Bytes) -> Result<ItemInput, Failure> {
        let (key, content_type) = (self.escape.bytes(key)?, self.content_type.clone());
        Ok(ItemInput { key, value, content_type, compression: 0 })
    }
}

fn split_at_equals<'a>(argument: &'a str, form: &str) -> Result<(&'a str, &'a str), Failure> {
    argument
        .split_once('=')
        .ok_or_else(|| Failure::usage(format!("'{argument}' is not {form}; the key ends at the first '='")))
}

/// The content of a file, or of standard input; refused above the limit for values.
fn read_value(path: &str) -> Result<Bytes, Failure> {
    let max = Limits::V1.value_bytes;
    let mut content = Vec::new();
    let read = if path == "-" {
        std::io::stdin().lock().take(u64::from(max) + 1).read_to_end(&mut content)
    } else {
        std::fs::File::open(path).and_then(|file| file.take(u64::from(max) + 1).read_to_end(&mut content))
    };
    let length = read.map_err(|error| Failure::usage(format!("cannot read {path}: {error}")))?;
    if length > max as usize {
        return Err(Failure::usage(format!("{path} is too long for a value; 0 to {max} bytes are allowed")));
    }
    Ok(content.into())
}

fn result_text(key: &[u8], result: PutResult) -> String {
    let key = escape(key);
    match result {
        PutResult { applied: true, version } => format!("{key}: version {version}"),
        PutResult { applied: false, version: 0 } => {
            format!("{key}: superseded by an equal or higher priority token; the item is absent")
        }
        PutResult { applied: false, version } => {
            format!("{key}: superseded by an equal or higher priority token; still version {version}")
        }
    }
}

fn result_json(key: &[u8], PutResult { applied, version }: PutResult) -> serde_json::Value {
    let mut result = key_json(key);
    result.insert("applied".to_owned(), json!(applied));
    result.insert("version".to_owned(), json!(version));
    result.into()
}
