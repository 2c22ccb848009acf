//! `prism ns`: the definitions of namespaces, by the control plane of a server.

mod policy;
mod show;

use std::time::Duration;

use bytes::Bytes;
use clap::builder::StyledStr;
use clap::{Args, Subcommand};
use prism_cli::examples;
use prism_proto::control::v1::namespace_service_client::NamespaceServiceClient;
use prism_proto::control::v1::{
    Abstraction, Change, ChangeKind, CreateNamespaceRequest, DeleteNamespaceRequest, GetNamespaceRequest,
    ListNamespacesRequest, Namespace, UpdateNamespaceRequest, WatchNamespacesRequest,
};
use prism_wire::channel::{CallError, Connection};
use prost_types::FieldMask;
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use self::policy::PolicyArgs;
use self::show::Table;
use super::connect::ConnectArgs;
use super::failure::Failure;
use super::interrupted;
use super::out::{Out, note};

/// Time between two looks at a deletion, and before a watch that was cut short is resumed.
const INTERVAL: Duration = Duration::from_millis(300);

/// A command about the definitions of namespaces.
#[derive(Debug, Subcommand)]
#[expect(
    private_interfaces,
    reason = "only clap and this module use the arguments; main just passes them on"
)]
pub enum NsCommand {
    /// List the definitions, those of the configuration included
    List(ListArgs),
    /// Print one definition
    Show(ShowArgs),
    /// Define a namespace
    Create(CreateArgs),
    /// Change the policy or the owners of a namespace
    Set(SetArgs),
    /// Delete a namespace
    Delete(DeleteArgs),
    /// Print changes of definitions as they are made
    Watch(WatchArgs),
}

#[derive(Debug, Args)]
#[command(after_help = examples(&[("All definitions, and those of a team", "prism ns list\nprism ns list orders-")]))]
struct ListArgs {
    /// Only names that start with this
    #[arg(default_value = "", hide_default_value = true)]
    prefix: String,

    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
#[command(after_help = examples(&[("For people, and for programs", "prism ns show sessions\nprism ns show sessions --json")]))]
struct ShowArgs {
    /// The name
    name: String,

    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
#[command(after_help = create_help())]
struct CreateArgs {
    /// The name
    name: String,

    /// The backend, by its name in the configuration [default: the server's default backend]
    #[arg(long, value_name = "NAME", default_value = "", hide_default_value = true)]
    backend: String,

    /// What the namespace holds; it cannot be changed later
    #[arg(long, value_enum, default_value = "keyvalue")]
    abstraction: Holds,

    /// TimeSeries: the number of partitions, 1 to 256 [default: 8]; it cannot be changed later
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=256))]
    partitions: Option<u32>,

    /// Encrypt values, content types and compressions at rest; it cannot be changed later
    #[arg(long)]
    encrypt: bool,

    #[command(flatten)]
    policy: PolicyArgs,

    #[command(flatten)]
    connect: ConnectArgs,
}

/// An abstraction that a namespace may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
enum Holds {
    /// Records of items
    Keyvalue,
    /// Series of events
    Timeseries,
}

#[derive(Debug, Args)]
#[command(after_help = examples(&[("At most 1,000 reads a second, and no longest ttl", "prism ns set sessions --reads 1000 --max-ttl none")]))]
struct SetArgs {
    /// The name
    name: String,

    #[command(flatten)]
    policy: PolicyArgs,

    /// The version that the definition must have [default: the one that it has now]
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i64).range(1..))]
    if_version: Option<i64>,

    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
#[command(after_help = examples(&[("With its items, until they are gone", "prism ns delete sessions --force --wait")]))]
struct DeleteArgs {
    /// The name
    name: String,

    /// Delete the items of the namespace, too
    #[arg(long)]
    force: bool,

    /// The version that the definition must have [default: any]
    #[arg(long, value_name = "VERSION", value_parser = clap::value_parser!(i64).range(1..))]
    if_version: Option<i64>,

    /// Wait until the items and the definition are gone
    #[arg(long)]
    wait: bool,

    #[command(flatten)]
    connect: ConnectArgs,
}

#[derive(Debug, Args)]
#[command(after_help = watch_help())]
struct WatchArgs {
    /// Only changes after this version; 0: all that are kept
    #[arg(long, value_name = "VERSION", default_value_t = 0, value_parser = clap::value_parser!(i64).range(0..))]
    from: i64,

    /// End after this number of changes [default: none]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u64).range(1..))]
    limit: Option<u64>,

    #[command(flatten)]
    connect: ConnectArgs,
}

fn create_help() -> StyledStr {
    examples(&[
        (
            "Sessions that live 12 hours, and 30 days at most",
            "prism ns create sessions --default-ttl 12h --max-ttl 30d --owner team-web",
        ),
        (
            "Events that are kept for 30 days after their time",
            "prism ns create logs --abstraction timeseries --retention 30d --accept-past 7d --accept-future 5m",
        ),
    ])
}

fn watch_help() -> StyledStr {
    examples(&[(
        "The first change, and then all as they are made",
        "prism ns watch --limit 1\nprism ns watch",
    )])
}

impl NsCommand {
    pub(super) fn json(&self) -> bool {
        match self {
            Self::List(args) => args.connect.json,
            Self::Show(args) => args.connect.json,
            Self::Create(args) => args.connect.json,
            Self::Set(args) => args.connect.json,
            Self::Delete(args) => args.connect.json,
            Self::Watch(args) => args.connect.json,
        }
    }

    pub(super) async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        match self {
            Self::List(args) => args.run(out).await,
            Self::Show(args) => args.run(out).await,
            Self::Create(args) => args.run(out).await,
            Self::Set(args) => args.run(out).await,
            Self::Delete(args) => args.run(out).await,
            Self::Watch(args) => args.run(out).await,
        }
    }
}

/// A client of the control plane.
struct Client {
    connection: Connection,
    inner: NamespaceServiceClient<Channel>,
}

impl Client {
    async fn connect(args: &ConnectArgs) -> Result<Self, Failure> {
        Ok(Self::new(args.open().await?))
    }

    /// For a stream, which ends when the server says so.
    async fn connect_to_watch(args: &ConnectArgs) -> Result<Self, Failure> {
        Ok(Self::new(args.open_stream().await?))
    }

    fn new(connection: Connection) -> Self {
        let inner = NamespaceServiceClient::new(connection.channel()).max_decoding_message_size(usize::MAX);
        Self { connection, inner }
    }

    /// The answer to a call, or why it failed.
    fn read<T>(&self, answer: Result<Response<T>, Status>) -> Result<T, CallError> {
        Ok(self.connection.observe(answer)?.into_inner())
    }

    async fn get(&mut self, name: &str) -> Result<Namespace, CallError> {
        let request = self.connection.request(GetNamespaceRequest { name: name.to_owned() });
        let answer = self.inner.get_namespace(request).await;
        Ok(self.read(answer)?.namespace.unwrap_or_default())
    }
}

impl ListArgs {
    async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let mut client = Client::connect(&self.connect).await?;
        let (mut page_token, mut table) = (Bytes::new(), Table::default());
        loop {
            let request = ListNamespacesRequest { prefix: self.prefix.clone(), page_size: 1_000, page_token };
            let request = client.connection.request(request);
            let answer = client.inner.list_namespaces(request).await;
            let page = client.read(answer)?;
            if self.connect.json {
                page.namespaces.iter().try_for_each(|namespace| out.json(&show::to_json(namespace)))?;
            } else {
                table.print(&page.namespaces, out)?;
            }
            page_token = page.next_page_token;
            if page_token.is_empty() {
                break;
            }
        }
        if table.is_empty() && !self.connect.json {
            note("no definitions");
        }
        Ok(())
    }
}

impl ShowArgs {
    async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let namespace = Client::connect(&self.connect).await?.get(&self.name).await?;
        show::one(&namespace, self.connect.json, out)
    }
}

impl CreateArgs {
    async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let mut namespace =
            Namespace { name: self.name.clone(), backend: self.backend.clone(), ..Namespace::default() };
        self.policy.apply(&mut namespace)?;
        if self.abstraction == Holds::Timeseries {
            namespace.set_abstraction(Abstraction::Timeseries);
        }
        if let Some(partitions) = self.partitions {
            namespace.policy.get_or_insert_default().partitions = partitions;
        }
        if self.encrypt {
            namespace.policy.get_or_insert_default().encrypt = true;
        }
        let mut client = Client::connect(&self.connect).await?;
        let request = client.connection.request(CreateNamespaceRequest { namespace: Some(namespace) });
        let answer = client.inner.create_namespace(request).await;
        show::one(&client.read(answer)?.namespace.unwrap_or_default(), self.connect.json, out)
    }
}

impl SetArgs {
    async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let mut namespace = Namespace { name: self.name.clone(), ..Namespace::default() };
        let paths = self.policy.apply(&mut namespace)?;
        if paths.is_empty() {
            return Err(Failure::usage(
                "name a setting to change, such as --max-ttl; see prism ns set --help",
            ));
        }
        let mut client = Client::connect(&self.connect).await?;
        namespace.version = match self.if_version {
            Some(version) => version,
            None => client.get(&self.name).await?.version,
        };
        let update_mask = Some(FieldMask { paths: paths.into_iter().map(str::to_owned).collect() });
        let request =
            client.connection.request(UpdateNamespaceRequest { namespace: Some(namespace), update_mask });
        let answer = client.inner.update_namespace(request).await;
        show::one(&client.read(answer)?.namespace.unwrap_or_default(), self.connect.json, out)
    }
}

impl DeleteArgs {
    async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let mut client = Client::connect(&self.connect).await?;
        let (name, force) = (self.name.clone(), self.force);
        let request = DeleteNamespaceRequest { name, version: self.if_version.unwrap_or_default(), force };
        let request = client.connection.request(request);
        let answer = client.inner.delete_namespace(request).await;
        let deleting = client.read(answer)?.namespace.unwrap_or_default();
        if self.wait {
            loop {
                match client.get(&self.name).await {
                    // It may have been created again.
                    Ok(now) if now.created_at == deleting.created_at => {}
                    Ok(_) => break,
                    Err(error) if error.status().is_some_and(|status| status.code == Code::NotFound) => {
                        break;
                    }
                    Err(error) => return Err(error.into()),
                }
                tokio::time::sleep(INTERVAL).await;
            }
        }
        if self.connect.json {
            return out.json(&show::to_json(&deleting));
        }
        out.line(if self.wait { "deleted" } else { "being deleted" })
    }
}

impl WatchArgs {
    async fn run(&self, out: &mut Out) -> Result<(), Failure> {
        let mut client = Client::connect_to_watch(&self.connect).await?;
        let mut left = self.limit.unwrap_or(u64::MAX);
        let mut from = self.from;
        let mut stop = std::pin::pin!(interrupted());
        loop {
            let watched = tokio::select! {
                () = &mut stop => return Ok(()),
                watched = self.stream(&mut client, &mut from, &mut left, out) => watched,
            };
            match watched {
                Ok(()) if left == 0 => return Ok(()),
                // Ended by the server, as for its time limit or a restart.
                Ok(()) => {}
                Err(Failure::Call(error)) if is_interruption(&error) => {}
                Err(failure) => return Err(failure),
            }
            tokio::time::sleep(INTERVAL).await;
        }
    }

    /// Prints the changes after the version `from`, which it advances, until the stream ends.
    async fn stream(
        &self,
        client: &mut Client,
        from: &mut i64,
        left: &mut u64,
        out: &mut Out,
    ) -> Result<(), Failure> {
        let request = client.connection.request(WatchNamespacesRequest { from_version: *from });
        let answer = client.inner.watch_namespaces(request).await;
        let mut changes = client.read(answer)?;
        loop {
            let message = client.connection.observe(changes.message().await).map_err(CallError::from)?;
            let Some(message) = message else { return Ok(()) };
            for change in &message.changes {
                self.print(change, out)?;
                *left -= 1;
                if *left == 0 {
                    return Ok(());
                }
            }
            out.flush()?;
            *from = message.version;
        }
    }

    fn print(&self, change: &Change, out: &mut Out) -> Result<(), Failure> {
        let kind = match change.kind() {
            ChangeKind::Unspecified => "unknown",
            ChangeKind::Created => "created",
            ChangeKind::Updated => "updated",
            ChangeKind::Deleted => "deleted",
        };
        let Some(namespace) = &change.namespace else { return Ok(()) };
        if self.connect.json {
            return out.json(&serde_json::json!({ "kind": kind, "namespace": show::to_json(namespace) }));
        }
        out.line(&show::change(kind, namespace))
    }
}

/// Whether a stream may be resumed after an error.
fn is_interruption(error: &CallError) -> bool {
    error.status().is_some_and(|status| matches!(status.code, Code::Unavailable | Code::DeadlineExceeded))
}
