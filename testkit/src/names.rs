//! Names of what the provider makes on a server: they say which run it was, so that it is clear when nobody needs it.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::process::Process;

/// What every such name begins with.
pub(crate) const MARK: &str = "prism_test_";

/// What the names of one run begin with: mark, machine, process. At most 40 bytes of the 63 that Postgres takes.
pub(crate) fn of_run(run: &Process) -> String {
    format!("{MARK}{}_{}_{}", machine(), run.pid, run.start)
}

/// Who made a thing of this name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Maker {
    /// Not this provider.
    Somebody,
    /// A run on another machine, or in another container: whether it still runs cannot be seen from here.
    Elsewhere,
    /// A run on this machine.
    Here(Process),
}

/// Reads a name back.
pub(crate) fn maker(name: &str) -> Maker {
    let Some(rest) = name.strip_prefix(MARK) else { return Maker::Somebody };
    let mut parts = rest.splitn(4, '_');
    let (Some(machine_part), Some(pid), Some(start)) = (parts.next(), parts.next(), parts.next()) else {
        return Maker::Somebody;
    };
    match format!("{pid}-{start}").parse() {
        Ok(process) if machine_part == machine() => Maker::Here(process),
        Ok(_) if machine_part.len() == 8 => Maker::Elsewhere,
        _ => Maker::Somebody,
    }
}

/// Eight digits for where process ids mean what they mean here: this machine, and this namespace of processes on it.
fn machine() -> String {
    let machine = fs::read_to_string("/etc/machine-id")
        .unwrap_or_else(|_| rustix::system::uname().nodename().to_string_lossy().into_owned());
    let namespace = fs::read_link("/proc/self/ns/pid").unwrap_or_default();
    let mut hasher = DefaultHasher::new();
    (machine, namespace).hash(&mut hasher);
    format!("{:08x}", hasher.finish() & 0xffff_ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_leads_back_to_the_run_also_with_more_behind_it() {
        let own = Process::own();
        let name = of_run(&own);
        assert_eq!(maker(&name), Maker::Here(own.clone()));
        assert_eq!(maker(&format!("{name}_77_3")), Maker::Here(own));
    }

    #[test]
    fn what_others_made_is_not_taken_for_ours() {
        assert_eq!(maker("postgres"), Maker::Somebody);
        assert_eq!(maker("prism_test_of_somebody"), Maker::Somebody);
        assert_eq!(maker("prism_test_mine_1_2"), Maker::Somebody);
        assert_eq!(maker("prism_test_00000000_1_2"), Maker::Elsewhere);
    }
}
