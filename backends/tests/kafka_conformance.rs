//! The TimeSeries suite against Kafka in process: separate topics for each case.

use std::num::NonZero;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use prism_backends::{Kafka, kafka};
use prism_conformance::OpenError;
use prism_conformance::timeseries::InProcess;
use prism_contract::Timestamp;
use prism_testkit::{Backend, left_out};
use tokio::sync::OnceCell;

/// The bound of a side of a window that the suite's policies leave open.
const BOUND: Duration = Duration::from_hours(1);

prism_conformance::timeseries_conformance!(
    InProcess::bounded("kafka", BOUND, || Ok(Topics::default()), open)
        .with_capabilities(kafka::CAPABILITIES)
        .with_gateways(NonZero::new(2).expect("2 is not 0"))
        // A broker removes records by its own clock.
        .starting_at(now)
        .with_details(|| async {
            let broker = prism_testkit::Kafka::shared().await;
            broker.map(|broker| vec![("broker".to_owned(), broker.describe().to_owned())]).unwrap_or_default()
        })
        .leaving_out(left_out(Backend::Kafka)),
);

/// The start of the names of a case's topics.
#[derive(Default)]
struct Topics(OnceCell<(&'static str, String)>);

async fn open(topics: Arc<Topics>) -> Result<Kafka, OpenError> {
    let broker = topics.0.get_or_try_init(|| async {
        let broker = prism_testkit::Kafka::shared().await.map_err(OpenError::new)?;
        Ok::<_, OpenError>((broker.address(), broker.prefix().map_err(OpenError::new)?))
    });
    let (address, prefix) = broker.await?;
    let mut options = kafka::Options::new(*address);
    options.topic_prefix = prefix.clone();
    options.readers = 2;
    Kafka::open(options).await.map_err(OpenError::new)
}

fn now() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(0)).unwrap_or(Timestamp::MAX)
}
