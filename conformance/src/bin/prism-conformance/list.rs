//! `list`: the cases, by group.

use prism_conformance::plan::Glob;
use prism_conformance::{Abstraction, Case, Need};

use crate::args::ListArgs;
use crate::output::{eprint, print};
use crate::{OK, USAGE};

pub(crate) fn list<A: Abstraction>(args: &ListArgs) -> u8 {
    let globs: Vec<_> = args.only.iter().map(Glob::new).collect();
    let chosen: Vec<_> =
        A::cases().filter(|case| globs.is_empty() || globs.iter().any(|glob| glob.names(case))).collect();
    if chosen.is_empty() {
        eprint("no case, group or rule matches");
        return USAGE;
    }
    for case in &chosen {
        print(format_args!(
            "{}\n    {}\n    proves {}{}\n",
            case.id,
            case.title,
            case.proves.join(", "),
            needs(case)
        ));
    }
    print(format_args!("{} cases\n", chosen.len()));
    OK
}

/// The needs of a case as text; empty if there are none.
pub(crate) fn needs<A: Abstraction>(case: &Case<A>) -> String {
    let name = A::capability_name;
    let needs = case.needs.iter().map(|need| match *need {
        Need::Declares(capability) => format!("the capability {}", name(capability)),
        Need::Lacks(capability) => format!("a server without the capability {}", name(capability)),
        Need::Ability(ability) => ability.name().to_owned(),
        Need::Wire => "gRPC".to_owned(),
        Need::Alone => "exclusive use of the server".to_owned(),
    });
    let needs: Vec<_> = needs.collect();
    if needs.is_empty() { String::new() } else { format!("; needs {}", needs.join(", ")) }
}
