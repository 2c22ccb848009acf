//! The options of a namespace's policy and owners.

use std::time::Duration;

use clap::Args;
use prism_proto::control::v1::{Namespace, RateLimit};

use crate::client::failure::Failure;
use crate::client::time;

/// The settings of a namespace that can be changed. Each that is not given stays as it is.
#[derive(Debug, Args)]
pub(super) struct PolicyArgs {
    /// The ttl of a Put without one, such as 12h; none: such items never expire
    #[arg(long, value_name = "SPAN", value_parser = given(time::parse_duration))]
    default_ttl: Option<Given<Duration>>,

    /// The longest ttl, such as 30d; none: any
    #[arg(long, value_name = "SPAN", value_parser = given(time::parse_duration))]
    max_ttl: Option<Given<Duration>>,

    /// The longest value in bytes, such as 65536 or 64KiB; none: the contract's
    #[arg(long, value_name = "SIZE", value_parser = given(size))]
    max_value_bytes: Option<Given<u64>>,

    /// TimeSeries: how long events are kept after their time, such as 30d; none: for ever
    #[arg(long, value_name = "SPAN", value_parser = given(time::parse_duration))]
    retention: Option<Given<Duration>>,

    /// TimeSeries: how old an event may be when it is appended, such as 7d; none: any
    #[arg(long, value_name = "SPAN", value_parser = given(time::parse_duration))]
    accept_past: Option<Given<Duration>>,

    /// TimeSeries: how far in the future an event may be, such as 5m; none: any
    #[arg(long, value_name = "SPAN", value_parser = given(time::parse_duration))]
    accept_future: Option<Given<Duration>>,

    /// Gets and Scans a second of each gateway, such as 1000; none: any number
    #[arg(long, value_name = "N", value_parser = given(per_second))]
    reads: Option<Given<f64>>,

    /// Gets and Scans that may come at once [default: those of a second]
    #[arg(long, value_name = "N", requires = "reads")]
    reads_burst: Option<u32>,

    /// Puts and Deletes a second of each gateway, such as 200; none: any number
    #[arg(long, value_name = "N", value_parser = given(per_second))]
    writes: Option<Given<f64>>,

    /// Puts and Deletes that may come at once [default: those of a second]
    #[arg(long, value_name = "N", requires = "writes")]
    writes_burst: Option<u32>,

    /// Audit calls that read or write data: true or false
    #[arg(long, value_name = "BOOL", num_args = 0..=1, default_missing_value = "true")]
    audit: Option<bool>,

    /// A team or a person to ask about the namespace; may be repeated; none: nobody
    #[arg(long = "owner", value_name = "NAME")]
    owners: Vec<String>,
}

/// A value, or `None`: the word none.
#[derive(Debug, Clone, Copy)]
struct Given<T>(Option<T>);

/// A parser of a value or the word none.
fn given<T: Clone + Send + Sync + 'static>(
    parse: fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<Given<T>, String> + Clone + Send + Sync + 'static {
    move |text| if text == "none" { Ok(Given(None)) } else { parse(text).map(|value| Given(Some(value))) }
}

fn size(text: &str) -> Result<u64, String> {
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let bytes: Option<u64> = match unit {
        "" | "B" => Some(1),
        "KiB" => Some(1 << 10),
        "MiB" => Some(1 << 20),
        _ => None,
    };
    let size = bytes.and_then(|bytes| number.parse::<u64>().ok()?.checked_mul(bytes));
    size.filter(|size| *size > 0)
        .ok_or_else(|| format!("'{text}' is not a size; write it like 65536 or 64KiB"))
}

fn per_second(text: &str) -> Result<f64, String> {
    let number = text.parse().ok().filter(|number| (0.001..=1e9).contains(number));
    number.ok_or_else(|| {
        format!("'{text}' is not a number of calls per second; from 0.001 to 1000000000 is allowed")
    })
}

impl PolicyArgs {
    /// Sets what was given, and returns the paths of these fields.
    pub(super) fn apply(&self, namespace: &mut Namespace) -> Result<Vec<&'static str>, Failure> {
        let mut paths = Vec::new();
        let mut policy = namespace.policy.take().unwrap_or_default();
        let duration = |span: Given<Duration>| {
            let converted = span.0.map(prost_types::Duration::try_from).transpose();
            converted.map_err(|_| Failure::usage("a ttl is longer than 100 years"))
        };
        let durations = [
            (self.default_ttl, &mut policy.default_ttl, "policy.default_ttl"),
            (self.max_ttl, &mut policy.max_ttl, "policy.max_ttl"),
            (self.retention, &mut policy.retention, "policy.retention"),
            (self.accept_past, &mut policy.accept_past, "policy.accept_past"),
            (self.accept_future, &mut policy.accept_future, "policy.accept_future"),
        ];
        for (given, field, path) in durations {
            if let Some(given) = given {
                *field = duration(given)?;
                paths.push(path);
            }
        }
        if let Some(size) = self.max_value_bytes {
            policy.max_value_bytes = size.0.unwrap_or_default();
            paths.push("policy.max_value_bytes");
        }
        let limit = |given: Given<f64>, burst: Option<u32>| {
            given.0.map(|per_second| RateLimit { per_second, burst: burst.unwrap_or_default() })
        };
        if let Some(reads) = self.reads {
            policy.reads = limit(reads, self.reads_burst);
            paths.push("policy.reads");
        }
        if let Some(writes) = self.writes {
            policy.writes = limit(writes, self.writes_burst);
            paths.push("policy.writes");
        }
        if let Some(audit) = self.audit {
            policy.audit = audit;
            paths.push("policy.audit");
        }
        if !self.owners.is_empty() {
            namespace.owners = if self.owners == ["none"] { Vec::new() } else { self.owners.clone() };
            paths.push("owners");
        }
        namespace.policy = Some(policy);
        Ok(paths)
    }
}
