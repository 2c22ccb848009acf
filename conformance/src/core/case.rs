//! One proof: a sentence of the contract, the rules it proves, and the code that proves it.

use std::future::Future;
use std::pin::Pin;

use prism_contract::Level;

use super::{Abilities, Ability, Abstraction, Ctx, Harness, Mode, Stop};

/// What a case's code answers.
pub(crate) type Proof = Result<(), Stop>;

/// The code of a case.
pub(crate) type Run<A> = for<'a> fn(&'a Ctx<A>) -> Pin<Box<dyn Future<Output = Proof> + Send + 'a>>;

/// A case of the suite.
pub struct Case<A: Abstraction> {
    /// Its name, such as `put::replaces_the_whole_item`.
    pub id: &'static str,
    /// A sentence of the contract.
    pub title: &'static str,
    /// The ids of the rules it proves.
    pub proves: &'static [&'static str],
    /// Whether a store that fails it is not conformant.
    pub level: Level,
    /// What the store must offer or the harness be able to do.
    pub needs: &'static [Need<A>],
    /// How it proves.
    pub kind: Kind,
    pub(crate) run: Run<A>,
}

/// How a case proves what it proves.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A few operations with known answers.
    Example,
    /// Random operations against a model.
    Property,
    /// A transcript compared with the golden one.
    Scenario,
    /// Concurrent operations, whose history is checked.
    History,
}

/// Something without which a case cannot run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need<A: Abstraction> {
    /// The store claims this capability.
    Claim(A::Capability),
    /// The store does not claim this capability: the opposite case.
    NoClaim(A::Capability),
    /// The harness can do this.
    Ability(Ability),
    /// The store is reached by gRPC.
    Wire,
    /// Nothing else uses the server meanwhile, so that it can be watched, or stopped where the harness can do that.
    Alone,
}

impl<A: Abstraction> Case<A> {
    pub(crate) const fn new(
        id: &'static str,
        title: &'static str,
        proves: &'static [&'static str],
        run: Run<A>,
    ) -> Self {
        Self { id, title, proves, level: Level::Must, needs: &[], kind: Kind::Example, run }
    }

    pub(crate) const fn needs(mut self, needs: &'static [Need<A>]) -> Self {
        self.needs = needs;
        self
    }

    pub(crate) const fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Whether it stops its server, takes the database away or watches the process, so that no other case may use the same
    /// server meanwhile.
    pub fn is_alone(&self) -> bool {
        self.needs.iter().any(|need| match need {
            Need::Alone => true,
            Need::Ability(ability) => ability.disturbs(),
            Need::Claim(_) | Need::NoClaim(_) | Need::Wire => false,
        })
    }

    /// Whether it plays thousands of operations, or waits for a clock or for what a server does in its own time. Such cases
    /// begin first, so that nobody waits for them alone at the end.
    pub(crate) fn may_take_long(&self) -> bool {
        matches!(self.kind, Kind::Property | Kind::Scenario) || self.is_alone()
    }

    /// What it may do of what `harness` can: a case that does not say that it wants a server to itself may not disturb it.
    pub(crate) fn may_do(&self, harness: &dyn Harness<A>) -> Abilities {
        let able = harness.abilities();
        let harmless = |ability: &Ability| self.is_alone() || !ability.disturbs();
        let able = Ability::ALL.into_iter().filter(|ability| able.contains(*ability)).filter(harmless);
        able.fold(Abilities::NONE, Abilities::with)
    }

    /// Why this case does not run on `harness`; `None`: it runs.
    pub fn obstacle(&self, harness: &dyn Harness<A>) -> Option<Obstacle> {
        let claimed = |claim| A::offers(harness.claims(), claim);
        self.needs.iter().find_map(|need| match *need {
            Need::Claim(claim) if !claimed(claim) => Some(Obstacle::NotClaimed(A::capability_name(claim))),
            Need::NoClaim(claim) if claimed(claim) => Some(Obstacle::Claimed(A::capability_name(claim))),
            Need::Ability(ability) if !harness.abilities().contains(ability) => {
                Some(Obstacle::Unable(ability))
            }
            Need::Wire if harness.mode() != Mode::Wire => Some(Obstacle::NotOnTheWire),
            Need::Claim(_) | Need::NoClaim(_) | Need::Ability(_) | Need::Wire | Need::Alone => None,
        })
    }
}

/// Why a case does not run on a harness.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Obstacle {
    /// The store does not claim it; the opposite case runs in its place.
    NotClaimed(&'static str),
    /// The store claims it; this is the opposite case.
    Claimed(&'static str),
    /// The harness cannot do it.
    Unable(Ability),
    /// It is about gRPC, and the store is in this process.
    NotOnTheWire,
}

impl Obstacle {
    /// In words, for the list of skipped cases.
    pub fn reason(self) -> String {
        match self {
            Self::NotClaimed(claim) => format!("{claim} is not claimed; the opposite case runs"),
            Self::Claimed(claim) => format!("{claim} is claimed; this is the opposite case"),
            Self::Unable(ability) => ability.missing().to_owned(),
            Self::NotOnTheWire => "about gRPC, and this target is in process".to_owned(),
        }
    }

    /// Whether the case says nothing about this target, so that not running it leaves nothing unproved.
    pub const fn is_not_applicable(self) -> bool {
        match self {
            Self::NotClaimed(_) | Self::Claimed(_) | Self::NotOnTheWire => true,
            Self::Unable(_) => false,
        }
    }
}

/// A case in a table: its id, its title, the rules it proves, what it needs if anything, and its code. `Case` is that of the
/// abstraction, and is in scope where the table is.
macro_rules! case {
    ($id:literal, $title:literal, $proves:expr, |$c:ident| $code:block) => {
        Case::new($id, $title, &$proves, |$c| Box::pin(async move { $code }))
    };
    ($id:literal, $title:literal, $proves:expr, $needs:expr, |$c:ident| $code:block) => {
        $crate::core::case!($id, $title, $proves, |$c| $code).needs(&$needs)
    };
}
pub(crate) use case;
