//! The operations, the same for all targets.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rand::RngExt as _;
use rand::rngs::SmallRng;

use crate::client::Client;
use crate::drive::{Done, Sample, Work};
use crate::records::Records;

/// An operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, clap::ValueEnum)]
pub enum Operation {
    /// Write one item of a random record.
    Put,
    /// Read one item of a random record by its key.
    Get,
}

impl Operation {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Put => "put",
            Self::Get => "get",
        }
    }
}

/// The same operation on random records.
pub(super) struct SingleOperation {
    pub(super) operation: Operation,
    pub(super) records: Arc<Records>,
    /// The last sequence number written.
    pub(super) sequence: Arc<AtomicU64>,
}

impl Work for SingleOperation {
    type Client = Client;

    fn classes(&self) -> usize {
        1
    }

    async fn step(&self, client: &mut Client, random: &mut SmallRng) -> Sample {
        let record = random.random_range(0..self.records.count);
        let outcome = match self.operation {
            Operation::Put => {
                let sequence = self.sequence.fetch_add(1, Ordering::Relaxed) + 1;
                self.records.put(client, record, sequence).await
            }
            Operation::Get => self.records.get(client, record).await,
        };
        Sample { class: 0, outcome: outcome.map(Done::After) }
    }
}
