//! A target under comparison, with its clients and the state of its records.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use super::operation::SingleOperation;
use super::{Operation, Options};
use crate::client::Client;
use crate::drive::closed;
use crate::failure::Failure;
use crate::pgbench;
use crate::process::find;
use crate::records::{Records, preload};
use crate::tally::Figures;
use crate::target::{Kind, Target, postgres_folders, sizes};

pub(super) struct Entrant {
    target: Target,
    records: Arc<Records>,
    /// The last sequence number written.
    sequence: Arc<AtomicU64>,
    /// Empty during a measurement.
    clients: Vec<Client>,
}

impl Entrant {
    pub(super) async fn new(target: Target, options: &Options) -> Result<Self, Failure> {
        let values = sizes(&options.value_bytes).map_err(Failure::Usage)?;
        let records = Arc::new(Records::new(options.records, values));
        let clients = target.clients(options.connections, options.in_flight).await?;
        Ok(Self { target, records, sequence: Arc::default(), clients })
    }

    pub(super) fn kind(&self) -> Kind {
        self.target.kind
    }

    /// Writes every record once, if the target stores data.
    pub(super) async fn preload(&mut self, options: &Options) -> Result<(), Failure> {
        if !self.kind().stores() {
            return Ok(());
        }
        if self.kind() == Kind::Pgbench {
            let bytes = self.records.values.max();
            return pgbench::preload(&self.target.endpoint, options.records, bytes).await;
        }
        let clients = std::mem::take(&mut self.clients);
        self.clients = preload(clients, &self.records).await.map_err(|why| self.with_name(&why))?;
        Ok(())
    }

    /// Measurement `number` of this run.
    pub(super) async fn measure(
        &mut self,
        options: &Options,
        operation: Operation,
        number: u64,
    ) -> Result<Figures, Failure> {
        if self.kind() == Kind::Pgbench {
            return self.pgbench(options, operation).await;
        }
        let clients = std::mem::take(&mut self.clients);
        let (records, sequence) = (Arc::clone(&self.records), Arc::clone(&self.sequence));
        let work = Arc::new(SingleOperation { operation, records, sequence });
        let measured = closed::measure(clients, &work, options.warm_up(), options.length(), number).await;
        let mut measured = measured.map_err(|why| self.with_name(&why))?;
        self.clients = measured.clients;
        Ok(measured.tallies.remove(0).figures(options.length(), measured.cpu))
    }

    async fn pgbench(&self, options: &Options, operation: Operation) -> Result<Figures, Failure> {
        let load = pgbench::Load {
            operation,
            clients: options.connections * options.in_flight,
            records: options.records,
            value_bytes: self.records.values.max(),
            warm_up: options.warm_up(),
            length: options.length(),
        };
        let program = find("pgbench", &postgres_folders()).unwrap_or_default();
        pgbench::measure(&program, &self.target.endpoint, load).await
    }

    fn with_name(&self, why: &Failure) -> Failure {
        Failure::of(self.kind().name(), why)
    }
}
