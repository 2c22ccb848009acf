//! The command line.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use prism_conformance::Budget;
use prism_conformance::plan::Profile;

/// Holds any server of the KeyValue contract against the conformance suite.
#[derive(Parser)]
#[command(
    version,
    after_help = "Exit codes: 0 conformant, 1 not, 2 wrong usage, 3 no server to test, 4 inconclusive or nothing ran; 129, 130, 143 ended by SIGHUP, SIGINT, SIGTERM."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Runs the suite against a server
    Run(Box<RunArgs>),
    /// Lists the cases
    List(ListArgs),
    /// Explains a case or a rule: its words, what proves it, which bugs it catches
    Explain {
        /// A case such as put::replaces_the_whole_item, or a rule such as PUT-1
        id: String,
    },
    /// Plays recorded operations, such as those of a shrunk failure, against a server
    Replay(Box<ReplayArgs>),
    /// Prints the matrix of rules, cases and seeded bugs, as it was recorded
    Matrix,
    /// Holds the suite against its own seeded bugs: each must be caught, in process and over the wire
    Selftest(SelftestArgs),
}

#[derive(Args)]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) effort: EffortArgs,
    /// Runs only the cases that this names: by id, group or rule; * and ? are wildcards; may be given again
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// Leaves out the cases that this names; what the server claims and is left out counts as not proved
    #[arg(long, value_name = "GLOB")]
    pub(crate) skip: Vec<String>,
    /// core: the cases that need no claim; full: all of them
    #[arg(long, default_value = "full")]
    pub(crate) profile: ProfileArg,
    /// Cases that run at once
    #[arg(long, value_name = "N", default_value = "4", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) jobs: NonZero<usize>,
    /// A TOML file of failures that are known; see the book
    #[arg(long, value_name = "FILE")]
    pub(crate) known_failing: Option<PathBuf>,
    /// Writes the report as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Writes the report as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Writes the report as a page
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Writes the verdict as an SVG badge
    #[arg(long, value_name = "FILE")]
    pub(crate) badge: Option<PathBuf>,
    /// Prints what was asked and answered in every case, and keeps it in the reports
    #[arg(long)]
    pub(crate) trace: bool,
}

/// Which server. One of `--endpoint` and `--spawn` is required.
#[derive(Args, Clone)]
#[group(skip)]
#[command(group = ArgGroup::new("server").required(true))]
pub(crate) struct TargetArgs {
    /// A server that runs: http://host:port, or https://host:port for TLS; given again, more gateways on the same data
    #[arg(long, value_name = "URL", group = "server")]
    pub(crate) endpoint: Vec<String>,
    /// A command that the suite starts, stops and kills; it is told where to listen by PRISM_SERVER_LISTEN or {listen} or
    /// {port}, and where to keep data by PRISM_DATABASE_PATH or {dir}
    #[arg(long, value_name = "COMMAND", group = "server")]
    pub(crate) spawn: Option<String>,
    /// Leaves the data and logs of spawned servers where they are
    #[arg(long, conflicts_with = "endpoint")]
    pub(crate) keep: bool,
    /// Deletes at the end, also after Ctrl-C, what was written to the server of --endpoint
    #[arg(long, conflicts_with = "spawn")]
    pub(crate) clean: bool,
    /// Certificates (PEM) to trust; without it, those of this machine
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The client's own certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the client's certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The name that the server's certificate must bear, if not the host's
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_domain: Option<String>,
    /// A file that holds a bearer token; PRISM_TOKEN holds the token itself
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[arg(long, env = "PRISM_TOKEN", hide = true, hide_env_values = true)]
    pub(crate) token: Option<String>,
}

#[derive(Args, Clone, Copy)]
pub(crate) struct EffortArgs {
    /// How much random and concurrent work is done
    #[arg(long, default_value = "ci")]
    pub(crate) budget: BudgetArg,
    /// Seeds everything random
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: u64,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    /// Lists only the cases that this names
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
}

#[derive(Args)]
pub(crate) struct ReplayArgs {
    /// A JSON file of operations, such as fixtures/regressions holds
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Args)]
pub(crate) struct SelftestArgs {
    #[command(flatten)]
    pub(crate) effort: SelftestEffort,
    /// Only the mutants that this names
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// Every case on every mutant, in place of stopping at the first that catches it
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Args, Clone, Copy)]
pub(crate) struct SelftestEffort {
    /// How much random and concurrent work is done
    #[arg(long, default_value = "quick")]
    pub(crate) budget: BudgetArg,
    /// Seeds everything random
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Mutants that run at once
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) jobs: Option<NonZero<usize>>,
}

fn at_least_one(text: &str) -> Result<NonZero<usize>, &'static str> {
    text.parse().map_err(|_| "a whole number from 1 is allowed")
}

fn seed(text: &str) -> Result<u64, &'static str> {
    text.parse().map_err(|_| "a whole number from 0 to 18446744073709551615 is allowed")
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum BudgetArg {
    Quick,
    Ci,
    Soak,
}

impl From<BudgetArg> for Budget {
    fn from(budget: BudgetArg) -> Self {
        match budget {
            BudgetArg::Quick => Self::Quick,
            BudgetArg::Ci => Self::Ci,
            BudgetArg::Soak => Self::Soak,
        }
    }
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum ProfileArg {
    Core,
    Full,
}

impl From<ProfileArg> for Profile {
    fn from(profile: ProfileArg) -> Self {
        match profile {
            ProfileArg::Core => Self::Core,
            ProfileArg::Full => Self::Full,
        }
    }
}
