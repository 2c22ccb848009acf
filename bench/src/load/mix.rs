//! Workload mixes: those of YCSB, and puts or gets alone.

use rand::RngExt as _;
use rand::rngs::SmallRng;
use serde::Serialize;

use super::keys::Choice;

/// A workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Workload {
    /// Puts of one item.
    Put,
    /// Gets of one item by its key.
    Get,
    /// YCSB A: half reads, half updates.
    A,
    /// YCSB B: 95 % reads, 5 % updates.
    B,
    /// YCSB C: reads.
    C,
    /// YCSB D: 95 % reads of what was written last, 5 % new records.
    D,
    /// YCSB E: 95 % scans of 1 to 100 items of a record, 5 % new items.
    E,
    /// YCSB F: half reads, half read-modify-writes (a conditional write after the read).
    F,
}

/// One step of a workload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// A Get of one item.
    Read,
    /// A Put of one item.
    Update,
    /// A Put of a new record.
    Insert,
    /// A Put of a new item into a record.
    Append,
    /// A Scan of a record.
    Scan,
    /// A Get of a page of 100 items, from a random item on.
    Page,
    /// A Get, then a Put conditional on the version read.
    ReadModifyWrite,
}

impl Step {
    /// Its name in tables.
    pub fn name(self) -> &'static str {
        match self {
            Self::Read => "read",
            Self::Update => "update",
            Self::Insert => "insert",
            Self::Append => "append",
            Self::Scan => "scan",
            Self::Page => "page of 100",
            Self::ReadModifyWrite => "read-modify-write",
        }
    }
}

/// The ratio of two kinds of step.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Mix {
    /// The kinds of step; a step's class is its index here.
    pub steps: [Step; 2],
    /// The fraction of the first: 0 to 1.
    pub share: f64,
}

impl Workload {
    /// The mix with YCSB's ratio, or with `read_share` of the first kind of step.
    ///
    /// # Errors
    /// There is only one kind of step.
    pub fn mix(self, read_share: Option<f64>) -> Result<Mix, String> {
        let (steps, share) = match self {
            Self::Put => ([Step::Update; 2], 1.0),
            Self::Get | Self::C => ([Step::Read; 2], 1.0),
            Self::A => ([Step::Read, Step::Update], 0.5),
            Self::B => ([Step::Read, Step::Update], 0.95),
            Self::D => ([Step::Read, Step::Insert], 0.95),
            Self::E => ([Step::Scan, Step::Append], 0.95),
            Self::F => ([Step::Read, Step::ReadModifyWrite], 0.5),
        };
        match read_share {
            Some(_) if steps[0] == steps[1] => {
                Err("--read-share requires mix a, b, d, e or f; the others have one kind of request"
                    .to_owned())
            }
            Some(share) => Ok(Mix { steps, share }),
            None => Ok(Mix { steps, share }),
        }
    }

    /// YCSB's key distribution for it.
    pub fn choice(self) -> Choice {
        match self {
            Self::Put | Self::Get => Choice::Uniform,
            Self::A | Self::B | Self::C | Self::E | Self::F => Choice::Zipf,
            Self::D => Choice::Latest,
        }
    }
}

impl Mix {
    /// A mix of one kind of step.
    pub fn only(step: Step) -> Self {
        Self { steps: [step; 2], share: 1.0 }
    }

    /// The distinct kinds of step.
    pub fn classes(&self) -> &[Step] {
        if self.steps[0] == self.steps[1] { &self.steps[..1] } else { &self.steps }
    }

    /// Chooses the class of the next step.
    pub fn choose(&self, random: &mut SmallRng) -> usize {
        usize::from(self.classes().len() == 2 && !random.random_bool(self.share))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use rand::SeedableRng as _;

    #[test]
    fn steps_are_chosen_in_their_ratio() {
        let mix = Workload::B.mix(Some(0.8)).unwrap();
        let mut random = SmallRng::seed_from_u64(1);
        let second = (0..10_000).filter(|_| mix.choose(&mut random) == 1).count();
        assert!((1_800..=2_200).contains(&second), "{second}");
    }

    #[test]
    fn a_read_share_for_one_kind_of_step_is_an_error() {
        let why = Workload::Put.mix(Some(0.5)).err();
        assert_eq!(
            why.as_deref(),
            Some("--read-share requires mix a, b, d, e or f; the others have one kind of request")
        );
        let put = Workload::Put.mix(None).unwrap();
        assert_eq!((put.classes(), put.choose(&mut SmallRng::seed_from_u64(1))), (&[Step::Update][..], 0));
    }
}
