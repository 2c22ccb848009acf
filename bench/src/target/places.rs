//! Where programs and data are.

use std::path::PathBuf;

use crate::arguments::At;
use crate::failure::Failure;

/// Where programs and data are.
#[derive(Debug, Clone)]
pub struct Places {
    /// This program, which is the echo too and holds a Postgres.
    pub own: PathBuf,
    /// The gateway.
    pub prism: PathBuf,
    /// A Postgres that somebody runs; else a cluster is made.
    pub postgres: Option<String>,
    /// Where data goes; else the temporary folder.
    pub data: Option<PathBuf>,
}

impl Places {
    /// Those that are said, and else of the programs that stand beside this one.
    ///
    /// # Errors
    /// There is no gateway there, and none was named.
    pub fn of(at: &At) -> Result<Self, Failure> {
        let At { prism, postgres, data } = at.clone();
        let own = std::env::current_exe().map_err(|why| Failure::of("this program's own path", &why))?;
        let prism = prism.unwrap_or_else(|| own.with_file_name("prism"));
        // A server has a folder of its own to work in.
        let Ok(prism) = prism.canonicalize() else {
            return Err(Failure::Usage(format!(
                "there is no gateway at '{}'; build it (cargo build --release -p prism-proxy) or name it with --prism PATH",
                prism.display()
            )));
        };
        Ok(Self { own, prism, postgres, data })
    }
}
