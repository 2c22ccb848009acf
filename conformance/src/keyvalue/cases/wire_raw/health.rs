//! Health and reflection, the auxiliary services.

use crate::core::Need::{Ability, Alone, Wire};
use crate::core::case;
use crate::core::raw_calls::{
    health_and_reflection_answer, health_follows_the_database, reflection_goes_on_after_what_it_does_not_know,
};
use crate::keyvalue::Case;

pub(super) const CASES: &[Case] = &[
    case!(
        "wire::health_and_reflection_answer",
        "Health says SERVING of the server and of its service, and reflection lists every service.",
        ["HEALTH-1"],
        [Wire],
        |c| { health_and_reflection_answer(c).await }
    ),
    case!(
        "wire::reflection_goes_on_after_what_it_does_not_know",
        "Reflection describes what errors carry, answers what is missing in words, and goes on with its stream.",
        ["HEALTH-1"],
        [Wire],
        |c| { reflection_goes_on_after_what_it_does_not_know(c).await }
    ),
    case!(
        "wire::health_follows_the_database",
        "Health says NOT_SERVING while the database is away, and SERVING once it is back.",
        ["HEALTH-1"],
        [Wire, Alone, Ability(crate::core::Ability::Outage)],
        |c| { health_follows_the_database(c).await }
    ),
];
