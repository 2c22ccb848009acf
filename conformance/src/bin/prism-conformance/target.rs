//! The server under test, from the arguments.

use std::fs;
use std::path::Path;
use std::sync::Arc;

use prism_conformance::Harness;
use prism_conformance::report::quoted;
use prism_conformance::wire::{Endpoint, Options, Remote, Spawn, Unreachable};

use crate::args::{AbstractionArg, AbstractionName, TargetArgs};
use crate::leftovers::Leftovers;
use crate::{UNREACHABLE, USAGE, output};

/// A connected server, and its arguments.
pub(crate) struct Target<A: Remote> {
    pub(crate) harness: Arc<dyn Harness<A>>,
    /// Additional details for reports.
    pub(crate) details: Vec<(String, String)>,
    /// The arguments of the target, for the replay command.
    pub(crate) arguments: String,
}

impl<A: Remote> Target<A> {
    /// Connects to the server, or starts it. Writes to an external server are tracked in `leftovers`. A failure is printed,
    /// and returned as an exit code.
    pub(crate) async fn reach(
        args: &TargetArgs,
        of: AbstractionArg,
        leftovers: &Leftovers,
    ) -> Result<Self, u8> {
        match open(args, of, leftovers).await {
            Ok(target) => Ok(target),
            Err(error) => {
                output::eprint(&error);
                Err(match error {
                    Unreachable::Usage(_) => USAGE,
                    Unreachable::Unavailable(_) => UNREACHABLE,
                })
            }
        }
    }
}

async fn open<A: Remote>(
    args: &TargetArgs,
    of: AbstractionArg,
    leftovers: &Leftovers,
) -> Result<Target<A>, Unreachable> {
    let options = options(args)?;
    if let Some(command) = &args.spawn {
        let name = command.split_whitespace().next().unwrap_or("server");
        let name = Path::new(name).file_name().map_or_else(|| name.into(), |name| name.to_string_lossy());
        let spawn = Spawn::<A>::start(name, command, options, args.keep).await?;
        let details = details::<A>(("command", command), spawn.description());
        return Ok(Target { details, arguments: arguments(args, of), harness: Arc::new(spawn) });
    }
    let name = options.endpoint.split("://").last().unwrap_or_default().trim_end_matches('/').to_owned();
    let address = options.endpoint.clone();
    let mut endpoint = Endpoint::<A>::connect(name, options.clone()).await?;
    leftovers.track::<A>(endpoint.ledger(), endpoint.description(), options, args.clean);
    for other in args.endpoint.iter().skip(1) {
        endpoint = endpoint.and(other.clone()).await?;
    }
    let addresses = if args.endpoint.len() > 1 { args.endpoint.join(", ") } else { address };
    let details = details::<A>(("address", &addresses), endpoint.description());
    Ok(Target { details, arguments: arguments(args, of), harness: Arc::new(endpoint) })
}

fn details<A: Remote>(location: (&str, &str), description: &A::Description) -> Vec<(String, String)> {
    let (server, contract) = A::versions(description);
    let (version, contract) = (("server version", server), ("contract version", contract));
    [location, version, contract].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn read(flag: &str, path: &Path) -> Result<Vec<u8>, Unreachable> {
    let why = |error| Unreachable::Usage(format!("{flag}: {} cannot be read: {error}", path.display()));
    fs::read(path).map_err(why)
}

fn options(args: &TargetArgs) -> Result<Options, Unreachable> {
    let tls = args.tls_ca.is_some() || args.tls_cert.is_some() || args.tls_domain.is_some();
    // A spawned server has no address yet; the TLS arguments determine the scheme.
    let spawned = if tls { "https://" } else { "http://" };
    let mut options = Options::new(args.endpoint.first().map_or(spawned, String::as_str));
    options.ca = args.tls_ca.as_ref().map(|path| read("--tls-ca", path)).transpose()?;
    if let (Some(cert), Some(key)) = (&args.tls_cert, &args.tls_key) {
        options.identity = Some((read("--tls-cert", cert)?, read("--tls-key", key)?));
    }
    options.server_name.clone_from(&args.tls_domain);
    options.token.clone_from(&args.token);
    if let Some(path) = &args.token_file {
        let token = String::from_utf8_lossy(&read("--token-file", path)?).trim().to_owned();
        options.token = Some(token);
    }
    Ok(options)
}

/// The arguments of the target, quoted for a shell. A token from the environment is not included.
fn arguments(args: &TargetArgs, of: AbstractionArg) -> String {
    let path = |path: &Option<std::path::PathBuf>| path.as_ref().map(|path| path.display().to_string());
    let endpoints = args.endpoint.iter().map(|endpoint| ("--endpoint", Some(endpoint.clone())));
    let flags = [
        ("--spawn", args.spawn.clone()),
        ("--tls-ca", path(&args.tls_ca)),
        ("--tls-cert", path(&args.tls_cert)),
        ("--tls-key", path(&args.tls_key)),
        ("--tls-domain", args.tls_domain.clone()),
        ("--token-file", path(&args.token_file)),
    ];
    let abstraction = match of.abstraction {
        // The default, which is left out.
        AbstractionName::KeyValue => None,
        AbstractionName::TimeSeries => Some("timeseries".to_owned()),
    };
    let given = [("--abstraction", abstraction)].into_iter().chain(endpoints).chain(flags);
    let given = given.filter_map(|(flag, value)| Some(format!("{flag} {}", quoted(&value?))));
    given.collect::<Vec<_>>().join(" ")
}
