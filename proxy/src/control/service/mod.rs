//! `prism.control.v1.NamespaceService`.

mod changes;
mod fields;

use std::pin::Pin;

use bytes::Bytes;
use futures::Stream;
use prism_contract::timeseries::Capability;
use prism_contract::{Checks, Error, Namespace as Name, PreconditionFailure};
use prism_mutants::seeded;
use prism_proto::common::ErrorReason;
use prism_proto::control::v1::namespace_service_server::{NamespaceService, NamespaceServiceServer};
use prism_proto::control::v1::{
    Abstraction, Change, ChangeKind, CreateNamespaceRequest, CreateNamespaceResponse, DeleteNamespaceRequest,
    DeleteNamespaceResponse, GetNamespaceRequest, GetNamespaceResponse, ListNamespacesRequest,
    ListNamespacesResponse, Namespace, NamespaceStatus, Policy, UpdateNamespaceRequest,
    UpdateNamespaceResponse, WatchNamespacesRequest, WatchNamespacesResponse,
};
use prism_wire::call::{CallNotes, NamespaceGuard, admit, enter, notes};
use prism_wire::message::timestamp;
use prism_wire::one_message::OneMessage;
use prism_wire::slots::Slot;
use prism_wire::status::framework;
use prism_wire::subject::Subject;
use tokio::sync::oneshot;
use tonic::{Code, Request, Response, Status};

use self::fields::Fields;
use super::definition;
use super::deletion::Settled;
use super::store::{Edit, Limits};
use super::{Control, Fault};
use crate::catalog::{self, Definition};
use crate::config::{Rule, is_backend_name};
use crate::server::Shutdown;

/// Definitions of a page, if the request names no number.
const DEFAULT_PAGE: u32 = 100;
/// Maximum definitions of a page.
const MOST_PAGE: u32 = 1_000;
/// Maximum bytes of a page token.
const MOST_TOKEN: usize = 256;
/// Maximum bytes of a request.
const MOST_REQUEST: usize = 64 << 10;

/// The service.
pub(crate) struct Service {
    control: Control,
    shutdown: Shutdown,
}

impl Control {
    /// The service for tonic. Its streams end when `shutdown` begins to drain.
    pub(crate) fn into_server(self, shutdown: Shutdown) -> OneMessage<NamespaceServiceServer<Service>> {
        let server = NamespaceServiceServer::new(Service::new(self, shutdown));
        OneMessage::new(server.max_decoding_message_size(MOST_REQUEST))
    }
}

impl Fault {
    fn status(code: Code, reason: ErrorReason, message: &str) -> Self {
        Self::Status(Box::new(framework(code, reason, message)))
    }

    fn exists(why: &str) -> Self {
        Self::status(Code::AlreadyExists, ErrorReason::NamespaceExists, why)
    }

    fn not_empty(why: &str) -> Self {
        Self::status(Code::FailedPrecondition, ErrorReason::NamespaceNotEmpty, why)
    }

    fn read_only(why: &str) -> Self {
        Self::status(Code::FailedPrecondition, ErrorReason::NamespaceReadOnly, why)
    }

    fn into_status(self, notes: &CallNotes) -> Status {
        match self {
            Self::Error(error) => notes.refuse(error),
            Self::Status(status) => *status,
        }
    }
}

/// A call of one namespace that may proceed.
fn admitted<T>(request: &Request<T>, name: &str) -> Result<(CallNotes, Option<Slot>), Status> {
    admit(request, name, |_| Subject::default())
}

#[tonic::async_trait]
impl NamespaceService for Service {
    type WatchNamespacesStream = Pin<Box<dyn Stream<Item = Result<WatchNamespacesResponse, Status>> + Send>>;

    async fn create_namespace(
        &self,
        request: Request<CreateNamespaceRequest>,
    ) -> Result<Response<CreateNamespaceResponse>, Status> {
        let name = request.get_ref().namespace.as_ref().map_or("", |namespace| &namespace.name);
        let (notes, _slot) = admitted(&request, name)?;
        let guard = request.extensions().get::<NamespaceGuard>().cloned();
        let created = self.create(request.into_inner(), guard.as_ref()).await;
        let created = created.map_err(|fault| fault.into_status(&notes))?;
        Ok(Response::new(CreateNamespaceResponse { namespace: Some(created) }))
    }

    async fn get_namespace(
        &self,
        request: Request<GetNamespaceRequest>,
    ) -> Result<Response<GetNamespaceResponse>, Status> {
        let (notes, _slot) = admitted(&request, &request.get_ref().name)?;
        let found = self.get(&request.get_ref().name).await.map_err(|fault| fault.into_status(&notes))?;
        Ok(Response::new(GetNamespaceResponse { namespace: Some(found) }))
    }

    async fn list_namespaces(
        &self,
        request: Request<ListNamespacesRequest>,
    ) -> Result<Response<ListNamespacesResponse>, Status> {
        let notes = notes(&request);
        let _slot = enter(&request, "").map_err(|error| notes.refuse(error))?;
        let guard = request.extensions().get::<NamespaceGuard>().cloned();
        let page = self.list(request.get_ref(), guard.as_ref()).await;
        page.map(Response::new).map_err(|fault| fault.into_status(&notes))
    }

    async fn update_namespace(
        &self,
        request: Request<UpdateNamespaceRequest>,
    ) -> Result<Response<UpdateNamespaceResponse>, Status> {
        let name = request.get_ref().namespace.as_ref().map_or("", |namespace| &namespace.name);
        let (notes, _slot) = admitted(&request, name)?;
        let updated = self.update(request.into_inner()).await.map_err(|fault| fault.into_status(&notes))?;
        Ok(Response::new(UpdateNamespaceResponse { namespace: Some(updated) }))
    }

    async fn delete_namespace(
        &self,
        request: Request<DeleteNamespaceRequest>,
    ) -> Result<Response<DeleteNamespaceResponse>, Status> {
        let (notes, _slot) = admitted(&request, &request.get_ref().name)?;
        let deleting = self.delete(request.into_inner()).await.map_err(|fault| fault.into_status(&notes))?;
        Ok(Response::new(DeleteNamespaceResponse { namespace: Some(deleting) }))
    }

    async fn watch_namespaces(
        &self,
        request: Request<WatchNamespacesRequest>,
    ) -> Result<Response<Self::WatchNamespacesStream>, Status> {
        let notes = notes(&request);
        // The slot is for the beginning: a stream that waits for changes takes none.
        let _slot = enter(&request, "").map_err(|error| notes.refuse(error))?;
        let guard = request.extensions().get::<NamespaceGuard>().cloned();
        let from = request.get_ref().from_version;
        let changes = self.watch(from, guard).await.map_err(|fault| fault.into_status(&notes))?;
        Ok(Response::new(Box::pin(changes.messages(notes))))
    }
}

impl Service {
    pub(super) fn new(control: Control, shutdown: Shutdown) -> Self {
        Self { control, shutdown }
    }

    pub(super) async fn create(
        &self,
        request: CreateNamespaceRequest,
        guard: Option<&NamespaceGuard>,
    ) -> Result<Namespace, Fault> {
        let inner = &self.control.0;
        let given = required(request.namespace)?;
        let (name, index) = self.check_created(&given)?;
        self.control.refresh().await?;
        let snapshot = inner.catalog.snapshot();
        if snapshot.rules().exact(&given.name).is_some() {
            return Err(Fault::exists("the namespace has a rule in the configuration"));
        }
        let policy = given.policy.unwrap_or_default();
        let defined = definition::of(&given, Some(index));
        // Its data is where it is served so far.
        if let Some(so_far) = snapshot.find(&given.name).filter(|so_far| so_far.is_served)
            && hides(&defined, so_far)
            && let Some(of) = so_far.index
            && !inner.is_empty(of, &name, &so_far.policy).await?
        {
            return Err(Fault::not_empty(
                "the namespace holds data, which this backend, abstraction, encryption or number of partitions would hide; \
                 delete or export it first",
            ));
        }
        let takes_over = seeded("control/encrypts-over-items-in-plain-text");
        if policy.encrypt && !takes_over && !inner.is_empty(index, &name, &defined.policy).await? {
            let why = "the namespace holds items in plain text, which could not be read; delete or export them first";
            return Err(Fault::not_empty(why));
        }
        let full = self.full(guard).await;
        let now = inner.clock.now();
        let namespace = Namespace {
            abstraction: definition::abstraction(&given).into(),
            policy: definition::with_partitions(&given),
            backend: inner.backends[index].name.clone(),
            status: NamespaceStatus::Active.into(),
            created_at: Some(timestamp(now)),
            updated_at: Some(timestamp(now)),
            r#static: false,
            ..given
        };
        let edit = |current: Option<Namespace>| {
            if current.is_some() {
                return Err(Fault::exists("the namespace has a definition already"));
            }
            if let Some(why) = &full {
                return Err(Fault::status(Code::FailedPrecondition, ErrorReason::TooManyNamespaces, why));
            }
            Ok(Edit::Put(ChangeKind::Created, namespace.clone()))
        };
        let change = inner.store.change(&namespace.name, now, edit).await?;
        self.changed(change).await
    }

    /// Why no further definition is allowed; `None`: one is.
    async fn full(&self, guard: Option<&NamespaceGuard>) -> Option<String> {
        let Limits { definitions, of_limited, .. } = self.control.0.store.limits();
        let known = self.control.0.known.lock().await;
        let count = known.namespaces.len();
        if count >= definitions {
            return Some(format!("there are {count} definitions; at most {definitions} are allowed"));
        }
        let guard = guard.filter(|_| !seeded("control/lets-a-limited-admin-use-all-definitions"))?;
        let own = known.namespaces.keys().filter(|name| guard.allows(name)).count();
        let why = "definitions in the caller's namespaces, as many as are allowed to one that may not use all namespaces";
        (own >= of_limited).then(|| format!("there are {own} {why}"))
    }

    /// The name and the backend of a definition to be created.
    fn check_created(&self, given: &Namespace) -> Result<(Name, usize), Fault> {
        let inner = &self.control.0;
        let mut checks = Checks::default();
        definition::check(given, &mut checks);
        let index = inner.index_of(&given.backend);
        if index.is_none() && is_backend_name(&given.backend) {
            let names: Vec<_> = inner.backends.iter().map(|backend| backend.name.as_str()).collect();
            checks.refuse(
                "namespace.backend",
                format!("is not a backend of this gateway; it has {}", names.join(", ")),
            );
        }
        let keeps = |index: usize| inner.backends[index].timeseries.is_some();
        if given.abstraction() == Abstraction::Timeseries && index.is_some_and(|index| !keeps(index)) {
            checks.refuse("namespace.abstraction", "is TIMESERIES, which this backend does not keep");
        }
        let deletes = |index: usize| {
            let capabilities = Name::new(&given.name).ok().zip(inner.backends[index].timeseries.as_ref());
            let capabilities = capabilities.map(|(name, backend)| backend.capabilities(&name));
            capabilities.is_none_or(|capabilities| capabilities.contains(Capability::Delete))
        };
        if index.is_some_and(|index| !deletes(index)) {
            let why = "is a backend that cannot delete a namespace, such as Kafka; declare the namespace by a rule of the \
                       configuration, with abstraction: timeseries, accept_past and accept_future";
            checks.refuse("namespace.backend", why);
        }
        if given.version > 0 {
            checks.refuse("namespace.version", "is set; a definition to be created has none");
        }
        let policy = given.policy.as_ref();
        if policy.is_some_and(|policy| policy.encrypt) && inner.catalog.snapshot().keys().is_none() {
            checks.refuse("namespace.policy.encrypt", "is true, and this gateway has no encryption.keys");
        }
        self.check_audit(policy, &mut checks);
        self.check_rule(&given.name, policy, &mut checks);
        checks.finish()?;
        let name = Name::new(&given.name).map_err(Error::internal)?;
        Ok((name, index.unwrap_or(inner.default)))
    }

    fn check_audit(&self, policy: Option<&Policy>, checks: &mut Checks) {
        if policy.is_some_and(|policy| policy.audit) && !self.control.0.has_audit {
            checks.refuse("namespace.policy.audit", "is true, and this gateway has no audit.file");
        }
    }

    /// A rule for a prefix protects the namespaces that are created below it, too: their encryption and their audit.
    fn check_rule(&self, name: &str, policy: Option<&Policy>, checks: &mut Checks) {
        let snapshot = self.control.0.catalog.snapshot();
        let Some(rule) = snapshot.rules().by_prefix(name) else { return };
        let policy = policy.copied().unwrap_or_default();
        for (field, wanted, given) in [
            ("namespace.policy.encrypt", rule.encrypt, policy.encrypt),
            ("namespace.policy.audit", rule.audit == Some(true), policy.audit),
        ] {
            if wanted && !given {
                checks.refuse(field, "is false, and the rule of the configuration for its prefix says true");
            }
        }
    }

    async fn get(&self, name: &str) -> Result<Namespace, Fault> {
        let mut checks = Checks::default();
        definition::check_name("name", name, &mut checks);
        checks.finish()?;
        let all = self.definitions(|known| known == name).await?;
        all.into_iter().next().ok_or(Fault::Error(Error::NamespaceNotFound))
    }

    /// The current definitions with these names, static ones among them, in the order of their names.
    async fn definitions(&self, wanted: impl Fn(&str) -> bool) -> Result<Vec<Namespace>, Fault> {
        self.control.refresh().await?;
        let inner = &self.control.0;
        let snapshot = inner.catalog.snapshot();
        let default = &inner.backends[inner.default].name;
        let rules = snapshot.rules().rules().iter().map(|rule| definition::of_rule(rule, default));
        let mut all: Vec<_> = rules.filter(|namespace| wanted(&namespace.name)).collect();
        let known = inner.known.lock().await;
        let created = known.namespaces.values().filter(|namespace| wanted(&namespace.name));
        // A rule of the same name comes first.
        all.extend(created.filter(|namespace| snapshot.rules().exact(&namespace.name).is_none()).cloned());
        drop(known);
        all.sort_by(|one, other| one.name.cmp(&other.name));
        Ok(all.into_iter().map(|namespace| self.control.shown(namespace)).collect())
    }

    async fn list(
        &self,
        request: &ListNamespacesRequest,
        guard: Option<&NamespaceGuard>,
    ) -> Result<ListNamespacesResponse, Fault> {
        let ListNamespacesRequest { prefix, page_size, page_token } = request;
        let mut checks = Checks::default();
        let is_allowed =
            |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._*-".contains(&byte);
        if prefix.len() > Name::MAX_BYTES || !prefix.bytes().all(is_allowed) {
            let why = "is malformed; at most 128 bytes of a-z, 0-9, '.', '_', '-' and '*' are allowed";
            checks.refuse("prefix", why);
        }
        let after = std::str::from_utf8(page_token).ok().filter(|after| {
            let is_token = after.is_empty() || after.starts_with(prefix.as_str());
            is_token && after.bytes().all(is_allowed)
        });
        if page_token.len() > MOST_TOKEN {
            let why = format!("is {} bytes; 0 to {MOST_TOKEN} are allowed", page_token.len());
            checks.refuse("page_token", why);
        } else if after.is_none() {
            checks.refuse("page_token", "is not a next_page_token of this list");
        }
        checks.finish()?;
        let after = after.unwrap_or_default();
        let guard = guard.filter(|_| !seeded("control/lists-all-to-a-limited-admin"));
        let is_seen = |name: &str| guard.is_none_or(|guard| guard.allows(name.trim_end_matches('*')));
        let wanted = |name: &str| name.starts_with(prefix.as_str()) && name > after && is_seen(name);
        let mut namespaces = self.definitions(wanted).await?;
        let size = if *page_size == 0 { DEFAULT_PAGE } else { (*page_size).min(MOST_PAGE) } as usize;
        let more = namespaces.len() > size;
        namespaces.truncate(size);
        let last = namespaces.last().filter(|_| more).map(|last| Bytes::from(last.name.clone()));
        Ok(ListNamespacesResponse { namespaces, next_page_token: last.unwrap_or_default() })
    }

    async fn update(&self, request: UpdateNamespaceRequest) -> Result<Namespace, Fault> {
        let inner = &self.control.0;
        let given = required(request.namespace)?;
        self.check_changeable(&given.name)?;
        let mut checks = Checks::default();
        definition::check_fields(&given, &mut checks);
        self.check_audit(given.policy.as_ref(), &mut checks);
        let paths = request.update_mask.map(|mask| mask.paths).unwrap_or_default();
        let fields = Fields::of(&paths, &mut checks);
        checks.finish()?;
        let now = inner.clock.now();
        let edit = |current: Option<Namespace>| {
            let current = changeable(current, Some(given.version), &given.name)?;
            let mut checks = Checks::default();
            fields.check_unchanged(&given, &current, &mut checks);
            let mut updated = fields.apply(&given, current);
            definition::check(&updated, &mut checks);
            self.check_rule(&given.name, updated.policy.as_ref(), &mut checks);
            checks.finish()?;
            updated.updated_at = Some(timestamp(now));
            Ok(Edit::Put(ChangeKind::Updated, updated))
        };
        let change = inner.store.change(&given.name, now, edit).await?;
        self.changed(change).await
    }

    async fn delete(&self, request: DeleteNamespaceRequest) -> Result<Namespace, Fault> {
        let inner = &self.control.0;
        let DeleteNamespaceRequest { name, version, force } = request;
        let force = force || seeded("control/deletes-without-force");
        self.check_changeable(&name)?;
        let mut checks = Checks::default();
        definition::check_namespace("name", &name, &mut checks);
        if version < 0 {
            checks.refuse("version", "is negative; 0 or a version is allowed");
        }
        checks.finish()?;
        let version = Some(version).filter(|version| *version > 0);
        let not_empty = || Fault::not_empty("the namespace holds data; force deletes it with the namespace");
        if !force {
            let current = inner.store.get(&name, inner.clock.now()).await?.map(|stored| stored.namespace);
            let current = changeable(current, version, &name)?;
            let valid = Name::new(&name).map_err(Error::internal)?;
            let unknown = || Error::unavailable("this gateway does not have the namespace's backend");
            let index = inner.index_of(&current.backend).ok_or_else(unknown)?;
            let policy = definition::of(&current, Some(index)).policy;
            if !inner.is_empty(index, &valid, &policy).await? {
                return Err(not_empty());
            }
        }
        let now = inner.clock.now();
        let edit = |current: Option<Namespace>| {
            let current = changeable(current, version, &name)?;
            inner.check_deletable(&current)?;
            let (status, updated_at) = (NamespaceStatus::Deleting.into(), Some(timestamp(now)));
            let deleting = Namespace { status, updated_at, ..current };
            Ok(if force { Edit::ForceDelete(deleting) } else { Edit::Put(ChangeKind::Updated, deleting) })
        };
        let change = inner.store.change(&name, now, edit).await?;
        let (settled, answer) = oneshot::channel();
        let control = self.control.clone();
        // It goes on if the caller does not wait.
        tokio::spawn(async move {
            let told = |how| {
                let _ = settled.send(how);
            };
            control.delete_until_done(&name, told).await;
        });
        let deleting = self.changed(change).await?;
        // Items that were written meanwhile keep the namespace.
        if !force && answer.await == Ok(Settled::NotEmpty) {
            return Err(not_empty());
        }
        Ok(deleting)
    }

    /// Refuses to change a static definition.
    fn check_changeable(&self, name: &str) -> Result<(), Fault> {
        let snapshot = self.control.0.catalog.snapshot();
        let is_rule = |rule: &Rule| rule.namespaces.to_string() == name;
        if snapshot.rules().rules().iter().any(is_rule) && !seeded("control/changes-a-rule") {
            return Err(Fault::read_only("the definition is a rule of the configuration; change it there"));
        }
        Ok(())
    }

    /// The definition after a change, which this gateway has from now on.
    async fn changed(&self, change: Change) -> Result<Namespace, Fault> {
        self.control.refresh().await?;
        Ok(self.control.shown(change.namespace.unwrap_or_default()))
    }
}

/// Whether data that is served as `so_far` says would not be found as `defined` says.
fn hides(defined: &Definition, so_far: &Definition) -> bool {
    let is_hidden = match (&defined.policy, &so_far.policy) {
        (catalog::Policy::KeyValue(_), catalog::Policy::KeyValue(_)) => false,
        (catalog::Policy::TimeSeries(one), catalog::Policy::TimeSeries(other)) => {
            one.partitions != other.partitions
        }
        (catalog::Policy::KeyValue(_), catalog::Policy::TimeSeries(_))
        | (catalog::Policy::TimeSeries(_), catalog::Policy::KeyValue(_)) => true,
    };
    is_hidden || defined.index != so_far.index || defined.encrypt != so_far.encrypt
}

/// The namespace of a request.
fn required(namespace: Option<Namespace>) -> Result<Namespace, Fault> {
    namespace.ok_or_else(|| Error::invalid("namespace", "is not set; it is required").into())
}

/// A definition that may be changed, and has this version; `None`: any.
fn changeable(current: Option<Namespace>, version: Option<i64>, name: &str) -> Result<Namespace, Fault> {
    let current = current.ok_or(Fault::Error(Error::NamespaceNotFound))?;
    if version.is_some_and(|version| version != current.version) && !seeded("control/ignores-the-version") {
        let key = Bytes::copy_from_slice(name.as_bytes());
        let failure = PreconditionFailure { key, current_version: current.version };
        return Err(Error::PreconditionFailed(vec![failure]).into());
    }
    if current.status() == NamespaceStatus::Deleting {
        return Err(Fault::read_only("the namespace is being deleted"));
    }
    Ok(current)
}
