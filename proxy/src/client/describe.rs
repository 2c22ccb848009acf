//! `prism describe`: the server's version, capabilities and limits.

use clap::Args;
use clap::builder::StyledStr;
use prism_cli::examples;
use prism_contract::keyvalue::Capability;
use prism_contract::keyvalue::request::{DescribeRequest, DescribeResponse};
use serde_json::{Value, json};

use super::bytes::escape;
use super::connect::ConnectArgs;
use super::failure::Failure;
use super::out::{Out, grouped};

/// The arguments of `prism describe`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct DescribeArgs {
    /// The namespace to describe
    #[arg(default_value = "default")]
    namespace: String,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

fn help() -> StyledStr {
    examples(&[("For people, and for programs", "prism describe\nprism describe demo --json")])
}

impl DescribeArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let request = DescribeRequest { namespace: self.namespace.clone() };
        let response = self.connect.connect().await?.describe(request).await?;
        if self.connect.json {
            return out.json(&to_json(&response));
        }
        let heading = out.screen.palette.heading;
        let heading = |text: &str| format!("{heading}{text}{heading:#}");
        let version = |text: &str| escape(text.as_bytes());
        out.line(&format!("{}    {}", heading("server version"), version(&response.server_version)))?;
        out.line(&format!("{}  {}", heading("contract version"), version(&response.contract_version)))?;
        let capabilities: Vec<_> = response.capabilities.iter().map(Capability::name).collect();
        let capabilities =
            if capabilities.is_empty() { "none beyond the core".into() } else { capabilities.join(", ") };
        out.line(&format!("{}      {capabilities}", heading("capabilities")))?;
        out.line(&heading("limits"))?;
        for (name, limit) in limits(&response) {
            out.line(&format!("  {name:<15} {:>9}", grouped(u64::from(limit))))?;
        }
        Ok(())
    }
}

fn limits(response: &DescribeResponse) -> [(&'static str, u32); 7] {
    let limits = response.limits;
    [
        ("max_id_bytes", limits.id_bytes),
        ("max_key_bytes", limits.key_bytes),
        ("max_value_bytes", limits.value_bytes),
        ("max_put_items", limits.put_items),
        ("max_put_bytes", limits.put_bytes),
        ("max_page_items", limits.page_items),
        ("max_page_bytes", limits.page_bytes),
    ]
}

fn to_json(response: &DescribeResponse) -> Value {
    let capabilities: Vec<_> = response.capabilities.iter().map(Capability::name).collect();
    let limits: serde_json::Map<_, _> =
        limits(response).into_iter().map(|(name, limit)| (name.to_owned(), json!(limit))).collect();
    json!({
        "server_version": response.server_version,
        "contract_version": response.contract_version,
        "capabilities": capabilities,
        "limits": limits,
    })
}
