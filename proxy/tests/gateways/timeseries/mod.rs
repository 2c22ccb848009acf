//! TimeSeries through gateway processes: tails that are cut while many write, and processes that are killed while they append.

mod kills;
mod tails;
mod writers;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use prism_contract::TimeInput;
use prism_contract::timeseries::Event;
use prism_contract::timeseries::request::EventInput;
use prism_wire::channel::Options;
use prism_wire::timeseries::Client;

use crate::Process;

const NAMESPACE: &str = "events";

const RULES: &str = "namespaces:\n  rules:\n    - {match: events, abstraction: timeseries}\n";

/// Starts a gateway with a namespace of TimeSeries. `folder` is for its configuration.
fn start(folder: &Path, configure: impl FnOnce(&mut Command) -> &mut Command) -> Process {
    let config = folder.join("prism.yaml");
    std::fs::write(&config, RULES).unwrap();
    Process::run(|command| {
        command.arg("--config").arg(config).current_dir(folder).env("PRISM_LOGGING_LEVEL", "info");
        configure(command)
    })
}

async fn connect(process: &Process) -> Client {
    let mut options = Options::new(format!("http://{}", process.address));
    options.timeout = Some(Duration::from_secs(30));
    Client::connect(&options).await.unwrap()
}

/// Pseudo-random numbers that are the same in each run (splitmix64).
struct Dice(u64);

impl Dice {
    /// A number below `bound`.
    fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % bound as u64).unwrap()
    }
}

/// The number of an event: its writer, its Append, and its place in that.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
struct Number {
    writer: usize,
    append: usize,
    at: usize,
}

impl Number {
    /// An event with this number, whose time is in no order, and whose payload has so many bytes beside the number.
    fn event(self, series: String, payload: usize) -> EventInput {
        let micros = i32::try_from((self.append * 7_919 + self.at * 104_729) % 1_000_000).unwrap();
        EventInput {
            series,
            time: Some(TimeInput { seconds: 1_800_000_000, nanos: micros * 1_000 }),
            id: self.id().into(),
            payload: self.payload(payload).into(),
            ..EventInput::default()
        }
    }

    /// The number in an event's id, whose payload has to be that of [`Number::event`].
    fn of(event: &Event, payload: usize) -> Self {
        let text = std::str::from_utf8(event.id.as_bytes()).unwrap();
        let mut parts = text.split('-').map(|part| part.parse().unwrap());
        let mut part = || parts.next().unwrap();
        let number = Self { writer: part(), append: part(), at: part() };
        assert_eq!(event.payload, number.payload(payload), "{text}");
        number
    }

    fn id(self) -> String {
        format!("{:02}-{:06}-{:03}", self.writer, self.append, self.at)
    }

    fn payload(self, length: usize) -> Vec<u8> {
        let mut payload = self.id().into_bytes();
        payload.resize(payload.len() + length, b'.');
        payload
    }
}
