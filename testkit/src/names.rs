//! Names of schemas and databases: they identify the run that created them, so that stale ones can be recognised.

use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};

use crate::process::Process;

/// Common prefix of these names.
pub(crate) const PREFIX: &str = "prism_test_";

/// Prefix of the names of one run: [`PREFIX`], machine, process. At most 40 bytes of the 63 that Postgres allows.
pub(crate) fn of_run(run: &Process) -> String {
    format!("{PREFIX}{}_{}_{}", machine(), run.pid, run.start)
}

/// Creator of an object, by its name.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Creator {
    /// Not the testkit.
    Foreign,
    /// A run on another machine or in another container, whose liveness cannot be checked from here.
    Remote,
    /// A run on this machine.
    Local(Process),
}

/// Parses a name.
pub(crate) fn creator(name: &str) -> Creator {
    let Some(rest) = name.strip_prefix(PREFIX) else { return Creator::Foreign };
    let mut parts = rest.splitn(4, '_');
    let (Some(machine_part), Some(pid), Some(start)) = (parts.next(), parts.next(), parts.next()) else {
        return Creator::Foreign;
    };
    match format!("{pid}-{start}").parse() {
        Ok(process) if machine_part == machine() => Creator::Local(process),
        Ok(_) if machine_part.len() == 8 => Creator::Remote,
        _ => Creator::Foreign,
    }
}

/// Eight hex digits for the scope in which pids are comparable: this machine and its pid namespace.
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
    fn a_name_is_parsed_back_to_its_run_also_with_a_suffix() {
        let own = Process::own();
        let name = of_run(&own);
        assert_eq!(creator(&name), Creator::Local(own.clone()));
        assert_eq!(creator(&format!("{name}_77_3")), Creator::Local(own));
    }

    #[test]
    fn foreign_names_are_not_attributed_to_a_local_run() {
        assert_eq!(creator("postgres"), Creator::Foreign);
        assert_eq!(creator("prism_test_of_another"), Creator::Foreign);
        assert_eq!(creator("prism_test_mine_1_2"), Creator::Foreign);
        assert_eq!(creator("prism_test_00000000_1_2"), Creator::Remote);
    }
}
