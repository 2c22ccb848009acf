//! `prism ts describe`: the server's version, capabilities and limits, and the policy of a namespace.

use std::time::Duration;

use clap::Args;
use clap::builder::StyledStr;
use prism_cli::examples;
use prism_contract::timeseries::Capability;
use prism_contract::timeseries::request::{DescribeRequest, DescribeResponse};
use serde_json::{Value, json};

use crate::client::bytes::escape;
use crate::client::connect::ConnectArgs;
use crate::client::failure::Failure;
use crate::client::out::{Out, grouped};

/// The arguments of `prism ts describe`.
#[derive(Debug, Args)]
#[command(after_help = help())]
pub(super) struct DescribeArgs {
    /// The namespace to describe
    namespace: String,

    #[command(flatten)]
    pub(super) connect: ConnectArgs,
}

fn help() -> StyledStr {
    examples(&[("For people, and for programs", "prism ts describe logs\nprism ts describe logs --json")])
}

impl DescribeArgs {
    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let request = DescribeRequest { namespace: self.namespace.clone() };
        let response = self.connect.timeseries().await?.describe(request).await?;
        if self.connect.json {
            return out.json(&to_json(&response));
        }
        let heading = out.screen.palette.heading;
        let mut line = |name: &str, text: &str| out.line(&format!("{heading}{name:<18}{heading:#}{text}"));
        line("server version", &escape(response.server_version.as_bytes()))?;
        line("contract version", &escape(response.contract_version.as_bytes()))?;
        let capabilities: Vec<_> = response.capabilities.iter().map(Capability::name).collect();
        let none = capabilities.is_empty();
        line(
            "capabilities",
            &if none { "none beyond the core".to_owned() } else { capabilities.join(", ") },
        )?;
        let policy = &response.policy;
        let unlimited =
            |span: Option<Duration>| span.map_or("unlimited".to_owned(), |span| format!("{span:?}"));
        line("retention", &unlimited(policy.retention))?;
        line("accepts past", &unlimited(policy.window.past))?;
        line("accepts future", &unlimited(policy.window.future))?;
        line("partitions", &policy.partitions.to_string())?;
        line("heartbeat", &format!("{:?}", response.heartbeat))?;
        out.line(&format!("{heading}limits{heading:#}"))?;
        for (name, limit) in limits(&response) {
            out.line(&format!("  {name:<19} {:>9}", grouped(u64::from(limit))))?;
        }
        Ok(())
    }
}

fn limits(response: &DescribeResponse) -> [(&'static str, u32); 9] {
    let limits = response.limits;
    [
        ("max_series_bytes", limits.series_bytes),
        ("max_id_bytes", limits.id_bytes),
        ("max_payload_bytes", limits.payload_bytes),
        ("max_tags", limits.tags),
        ("max_append_events", limits.append_events),
        ("max_append_bytes", limits.append_bytes),
        ("max_message_events", limits.message_events),
        ("max_message_bytes", limits.message_bytes),
        ("max_buckets", limits.buckets),
    ]
}

fn to_json(response: &DescribeResponse) -> Value {
    let capabilities: Vec<_> = response.capabilities.iter().map(Capability::name).collect();
    let limits: serde_json::Map<_, _> =
        limits(response).into_iter().map(|(name, limit)| (name.to_owned(), json!(limit))).collect();
    let seconds = |span: Option<Duration>| span.map(|span| span.as_secs_f64());
    json!({
        "server_version": response.server_version,
        "contract_version": response.contract_version,
        "capabilities": capabilities,
        "policy": {
            "retention_seconds": seconds(response.policy.retention),
            "accept_past_seconds": seconds(response.policy.window.past),
            "accept_future_seconds": seconds(response.policy.window.future),
            "partitions": response.policy.partitions,
        },
        "heartbeat_seconds": response.heartbeat.as_secs_f64(),
        "limits": limits,
    })
}
