//! Appends: a record for each event, in the order of the request.

use std::sync::Arc;
use std::time::Instant;

use prism_contract::Error;
use prism_contract::timeseries::Append;

use super::producer::{Outgoing, Stamps};
use super::{APPEND_TIME, Inner, record};

impl Inner {
    /// Writes events. None is looked for: whether it was there already is not known.
    pub(super) async fn append(&self, append: &Append) -> Result<Vec<bool>, Error> {
        // A reader relies on the time by which the last record is there.
        let until = Instant::now() + APPEND_TIME;
        let topic = self.registry.ensure(append).await?;
        let outgoing = |event: &'_ prism_contract::timeseries::SeriesEvent| record::header(&event.event);
        let headers: Vec<_> = append.events.iter().map(outgoing).collect();
        let records: Vec<_> = append
            .events
            .iter()
            .zip(headers)
            .map(|(event, header)| Outgoing {
                partition: topic.partition(&event.series),
                key: event.series.as_str().as_bytes(),
                payload: &event.event.payload,
                timestamp: Some(record::timestamp(event.event.time)),
                header: Some(header),
            })
            .collect();
        let sent = self.producer.send(&topic.name, Some(Arc::clone(&topic.ends)), &records, until).await;
        match sent {
            Ok(Stamps::Kept) => {}
            Ok(Stamps::Reported) => self.registry.check_stamps(&topic).await?,
            Err(failure) => return Err(self.lost(&topic, failure)),
        }
        Ok(vec![false; append.events.len()])
    }
}
