//! A case: a sentence of the contract, the rules it proves, and the code that proves it.

use std::future::Future;
use std::pin::Pin;

use prism_contract::Level;

use super::{Abilities, Ability, Abstraction, Ctx, Harness, Mode, Stop};

/// The result of a case's code.
pub(crate) type Proof = Result<(), Stop>;

/// The code of a case.
pub(crate) type Run<A> = for<'a> fn(&'a Ctx<A>) -> Pin<Box<dyn Future<Output = Proof> + Send + 'a>>;

/// A case of the suite.
pub struct Case<A: Abstraction> {
    /// The id, such as `put::replaces_the_whole_item`.
    pub id: &'static str,
    /// A sentence of the contract.
    pub title: &'static str,
    /// The ids of the proved rules.
    pub proves: &'static [&'static str],
    /// The level: a store that fails a MUST case is not conformant.
    pub level: Level,
    /// The required capabilities of the store and abilities of the harness.
    pub needs: &'static [Need<A>],
    /// The method of proof.
    pub kind: Kind,
    pub(crate) run: Run<A>,
}

/// A case's method of proof.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A few operations with known responses.
    Example,
    /// Random operations, compared with a model.
    Property,
    /// A transcript, compared with the golden one.
    Scenario,
    /// Concurrent operations and a check of their history.
    History,
}

/// A requirement of a case: without it the case cannot run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Need<A: Abstraction> {
    /// The store declares this capability.
    Declares(A::Capability),
    /// The store does not declare this capability: the opposite case.
    Lacks(A::Capability),
    /// The harness has this ability.
    Ability(Ability),
    /// The store is reached over gRPC.
    Wire,
    /// Exclusive use of the server, so that it can be observed, or stopped where the harness has that ability.
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

    /// Level SHOULD: a failure is reported, but does not make the store non-conformant.
    pub(crate) const fn should(mut self) -> Self {
        self.level = Level::Should;
        self
    }

    pub(crate) const fn kind(mut self, kind: Kind) -> Self {
        self.kind = kind;
        self
    }

    /// Whether the case needs exclusive use of its server: it stops the server, makes the database unavailable or observes
    /// the process.
    pub fn is_alone(&self) -> bool {
        self.needs.iter().any(|need| match need {
            Need::Alone => true,
            Need::Ability(ability) => ability.disturbs(),
            Need::Declares(_) | Need::Lacks(_) | Need::Wire => false,
        })
    }

    /// Whether the case is slow: it plays thousands of operations, or waits for a clock or for background work of a server.
    /// Slow cases are scheduled first, so that none of them runs alone at the end.
    pub(crate) fn may_take_long(&self) -> bool {
        matches!(self.kind, Kind::Property | Kind::Scenario) || self.is_alone()
    }

    /// The abilities of `harness` that the case may use: only a case with exclusive use of its server may disturb it.
    pub(crate) fn permitted_abilities(&self, harness: &dyn Harness<A>) -> Abilities {
        let able = harness.abilities();
        let harmless = |ability: &Ability| self.is_alone() || !ability.disturbs();
        let able = Ability::ALL.into_iter().filter(|ability| able.contains(*ability)).filter(harmless);
        able.fold(Abilities::NONE, Abilities::with)
    }

    /// The reason why this case does not run on `harness`; `None`: it runs.
    pub fn obstacle(&self, harness: &dyn Harness<A>) -> Option<Obstacle> {
        let declared = |capability| A::offers(harness.capabilities(), capability);
        self.needs.iter().find_map(|need| match *need {
            Need::Declares(capability) if !declared(capability) => {
                Some(Obstacle::NotDeclared(A::capability_name(capability)))
            }
            Need::Lacks(capability) if declared(capability) => {
                Some(Obstacle::Declared(A::capability_name(capability)))
            }
            Need::Ability(ability) if !harness.abilities().contains(ability) => {
                Some(Obstacle::Unable { why: harness.why_missing(ability) })
            }
            Need::Wire if harness.mode() != Mode::Wire => Some(Obstacle::NotOnTheWire),
            Need::Declares(_) | Need::Lacks(_) | Need::Ability(_) | Need::Wire | Need::Alone => None,
        })
    }
}

/// A reason why a case does not run on a harness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Obstacle {
    /// The store does not declare this capability; the opposite case runs instead.
    NotDeclared(&'static str),
    /// The store declares this capability; this is the opposite case.
    Declared(&'static str),
    /// The harness lacks an ability.
    Unable {
        /// The reason, such as what is configured and what is needed.
        why: String,
    },
    /// The case is about gRPC, and the store is in process.
    NotOnTheWire,
}

impl Obstacle {
    /// The text in the list of skipped cases.
    pub fn reason(self) -> String {
        match self {
            Self::NotDeclared(capability) => format!("{capability} is not declared; the opposite case runs"),
            Self::Declared(capability) => format!("{capability} is declared; this is the opposite case"),
            Self::Unable { why } => why,
            Self::NotOnTheWire => "about gRPC, and this target is in process".to_owned(),
        }
    }

    /// Whether the case does not apply to this target, so that skipping it leaves nothing unproved.
    pub const fn is_not_applicable(&self) -> bool {
        match self {
            Self::NotDeclared(_) | Self::Declared(_) | Self::NotOnTheWire => true,
            Self::Unable { .. } => false,
        }
    }
}

/// A case in a table: id, title, proved rules, optional needs, and code. The abstraction's `Case` must be in scope.
macro_rules! case {
    ($id:literal, $title:literal, $proves:expr, |$c:ident| $code:block) => {
        Case::new($id, $title, &$proves, |$c| Box::pin(async move { $code }))
    };
    ($id:literal, $title:literal, $proves:expr, $needs:expr, |$c:ident| $code:block) => {
        $crate::core::case!($id, $title, $proves, |$c| $code).needs(&$needs)
    };
}
pub(crate) use case;
