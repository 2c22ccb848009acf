//! The command line.

use std::num::NonZero;
use std::path::PathBuf;

use clap::{ArgGroup, Args, Parser, Subcommand, ValueEnum};
use prism_conformance::Budget;
use prism_conformance::plan::Profile;

/// Tests any server of a contract, of KeyValue or of TimeSeries, with the conformance suite.
#[derive(Parser)]
#[command(
    version = prism_version::VERSION,
    after_help = "Exit codes: 0 conformant, 1 not conformant, 2 usage error, 3 no server to test, 4 inconclusive or nothing ran; 129, 130, 143 ended by SIGHUP, SIGINT, SIGTERM."
)]
pub(crate) struct Cli {
    #[command(subcommand)]
    pub(crate) command: Command,
    #[command(flatten)]
    pub(crate) color: colorchoice_clap::Color,
}

#[derive(Subcommand)]
pub(crate) enum Command {
    /// Runs the suite against a server
    Run(Box<RunArgs>),
    /// Lists the cases
    List(ListArgs),
    /// Explains a case, a rule or a mutant: its text, the rules or cases, and the seeded bugs that it catches
    Explain(ExplainArgs),
    /// Replays recorded operations, such as those of a shrunk failure, against a server
    Replay(Box<ReplayArgs>),
    /// Prints the recorded matrix of rules, cases and seeded bugs
    Matrix(AbstractionArg),
    /// Tests the suite with its own seeded bugs: each must be caught, in process and over the wire
    Selftest(SelftestArgs),
    /// Writes a new backend of KeyValue, or a server in Python, that builds and fails the suite: a stub of each method, with its
    /// rules
    New(NewArgs),
    #[command(flatten)]
    Generate(prism_cli::Generate),
}

/// The contract.
#[derive(Args, Clone, Copy)]
pub(crate) struct AbstractionArg {
    /// The contract that is tested
    #[arg(long, value_name = "NAME", default_value = "keyvalue")]
    pub(crate) abstraction: AbstractionName,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum AbstractionName {
    #[value(name = "keyvalue")]
    KeyValue,
    #[value(name = "timeseries")]
    TimeSeries,
}

#[derive(Args)]
pub(crate) struct ExplainArgs {
    #[command(flatten)]
    pub(crate) of: AbstractionArg,
    /// A case such as put::replaces_the_whole_item, or a rule such as PUT-1; with --abstraction timeseries also `policies`: the
    /// policies that the namespaces of a server need for all cases
    pub(crate) id: String,
}

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
pub(crate) struct RunArgs {
    #[command(flatten)]
    pub(crate) of: AbstractionArg,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
    #[command(flatten)]
    pub(crate) effort: EffortArgs,
    /// Runs only the cases that match: by id, group or rule; * and ? are wildcards; @FILE reads one pattern per line; repeatable
    #[arg(long, value_name = "GLOB|@FILE")]
    pub(crate) only: Vec<String>,
    /// Leaves out the cases that match; repeatable; a run with cases left out does not prove conformance
    #[arg(long, value_name = "GLOB|@FILE")]
    pub(crate) skip: Vec<String>,
    /// core: the cases that need no capability, and exit code 0 if they pass; full: all cases
    #[arg(long, default_value = "full")]
    pub(crate) profile: ProfileArg,
    /// Number of cases that run in parallel
    #[arg(long, value_name = "N", default_value = "4", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) jobs: NonZero<usize>,
    /// Ends the run at the first failure; quick and basic cases run first
    #[arg(long, conflicts_with = "max_failures")]
    pub(crate) fail_fast: bool,
    /// Ends the run after N failures; quick and basic cases run first
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) max_failures: Option<NonZero<usize>>,
    /// Prints every failure in full, however many there are
    #[arg(long)]
    pub(crate) all_failures: bool,
    /// A TOML file of known failures; see the documentation
    #[arg(long, value_name = "FILE")]
    pub(crate) known_failing: Option<PathBuf>,
    /// Writes the failures of this run as a file for --known-failing; reasons in that file are kept
    #[arg(long, value_name = "FILE")]
    pub(crate) write_known: Option<PathBuf>,
    /// Writes the report as JSON
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Writes the report as JUnit XML
    #[arg(long, value_name = "FILE")]
    pub(crate) junit: Option<PathBuf>,
    /// Writes the report as an HTML page
    #[arg(long, value_name = "FILE")]
    pub(crate) html: Option<PathBuf>,
    /// Writes the verdict as an SVG badge
    #[arg(long, value_name = "FILE")]
    pub(crate) badge: Option<PathBuf>,
    /// Prints a line per case
    #[arg(long, short)]
    pub(crate) verbose: bool,
    /// Prints the transcript of every case, and includes it in the reports
    #[arg(long)]
    pub(crate) trace: bool,
}

/// The server. One of `--endpoint` and `--spawn` is required.
#[derive(Args, Clone)]
#[group(skip)]
#[command(group = ArgGroup::new("server").required(true))]
pub(crate) struct TargetArgs {
    /// A running server: http://host:port, or https://host:port for TLS; repeatable for more gateways on the same data
    #[arg(long, value_name = "URL", group = "server")]
    pub(crate) endpoint: Vec<String>,
    /// A server command that the suite starts, stops and kills; the listen address is passed as PRISM_SERVER_LISTEN, {listen}
    /// or {port}, the data location as PRISM_DATABASE_PATH or {dir}
    #[arg(long, value_name = "COMMAND", group = "server")]
    pub(crate) spawn: Option<String>,
    /// Keeps the data and logs of spawned servers
    #[arg(long, conflicts_with = "endpoint")]
    pub(crate) keep: bool,
    /// Deletes at the end, also after Ctrl-C, the data written to the server of --endpoint
    #[arg(long, conflicts_with = "spawn")]
    pub(crate) clean: bool,
    /// Trusted certificates (PEM); default: those of this machine
    #[arg(long, value_name = "FILE")]
    pub(crate) tls_ca: Option<PathBuf>,
    /// The client's own certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// The key of the client's certificate (PEM)
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// The expected name in the server's certificate, if not the host's
    #[arg(long, value_name = "NAME")]
    pub(crate) tls_domain: Option<String>,
    /// A file with a bearer token; PRISM_TOKEN holds the token itself
    #[arg(long, value_name = "FILE")]
    pub(crate) token_file: Option<PathBuf>,
    #[arg(long, env = "PRISM_TOKEN", hide = true, hide_env_values = true)]
    pub(crate) token: Option<String>,
}

#[derive(Args, Clone, Copy)]
pub(crate) struct EffortArgs {
    /// The amount of random and concurrent work
    #[arg(long, default_value = "ci")]
    pub(crate) budget: BudgetArg,
    /// The random seed
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: u64,
}

#[derive(Args)]
pub(crate) struct ListArgs {
    #[command(flatten)]
    pub(crate) of: AbstractionArg,
    /// Lists only the cases that match; repeatable
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
}

#[derive(Args)]
pub(crate) struct ReplayArgs {
    #[command(flatten)]
    pub(crate) of: AbstractionArg,
    /// A JSON file of operations, such as those in fixtures/regressions
    #[arg(value_name = "FILE")]
    pub(crate) file: PathBuf,
    #[command(flatten)]
    pub(crate) target: TargetArgs,
}

#[derive(Args)]
pub(crate) struct SelftestArgs {
    #[command(flatten)]
    pub(crate) of: AbstractionArg,
    #[command(flatten)]
    pub(crate) effort: SelftestEffort,
    /// Only the mutants that match; repeatable
    #[arg(long, value_name = "GLOB")]
    pub(crate) only: Vec<String>,
    /// Instead of single mutants, runs N random stores with two mutants each, and counts how often the likely causes name both
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true, conflicts_with_all = ["only", "full"])]
    pub(crate) pairs: Option<NonZero<usize>>,
    /// Runs every case on every mutant, instead of stopping at the first that catches it
    #[arg(long)]
    pub(crate) full: bool,
}

#[derive(Args, Clone, Copy)]
pub(crate) struct SelftestEffort {
    /// The amount of random and concurrent work
    #[arg(long, default_value = "quick")]
    pub(crate) budget: BudgetArg,
    /// The random seed
    #[arg(long, value_name = "N", default_value = "1", value_parser = seed, allow_negative_numbers = true)]
    pub(crate) seed: u64,
    /// Number of mutants that run in parallel
    #[arg(long, value_name = "N", value_parser = at_least_one, allow_negative_numbers = true)]
    pub(crate) jobs: Option<NonZero<usize>>,
}

#[derive(Args)]
pub(crate) struct NewArgs {
    /// The folder to write; its last component is the name, such as my-backend
    #[arg(value_name = "PATH")]
    pub(crate) path: PathBuf,
    /// rust: a crate with the suite as its test; python: a gRPC server
    #[arg(long, default_value = "rust")]
    pub(crate) language: LanguageArg,
    /// A checkout of Prism, whose crates the new one uses by path; default: the checkout that this program was built in
    #[arg(long, value_name = "DIR")]
    pub(crate) prism: Option<PathBuf>,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum LanguageArg {
    Rust,
    Python,
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
