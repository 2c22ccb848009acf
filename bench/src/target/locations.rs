//! Locations of programs and data.

use std::path::PathBuf;

use crate::arguments::LocationOptions;
use crate::failure::Failure;

/// Locations of programs and data.
#[derive(Debug, Clone)]
pub struct Locations {
    /// This program, which is also the echo and the holder of a Postgres.
    pub own: PathBuf,
    /// The gateway.
    pub prism: PathBuf,
    /// URL of a running Postgres; else a temporary cluster is created.
    pub postgres: Option<String>,
    /// Parent folder of data; else the temporary folder.
    pub data: Option<PathBuf>,
}

impl Locations {
    /// The given locations; by default, programs beside this one.
    ///
    /// # Errors
    /// There is no gateway at its location.
    pub fn of(options: &LocationOptions) -> Result<Self, Failure> {
        let LocationOptions { prism, postgres, data } = options.clone();
        let own = std::env::current_exe().map_err(|why| Failure::of("this program's own path", &why))?;
        let prism = prism.unwrap_or_else(|| own.with_file_name("prism"));
        // Absolute, because each server has its own working directory.
        let Ok(prism) = prism.canonicalize() else {
            return Err(Failure::Usage(format!(
                "no gateway at '{}'; build it (cargo build --release -p prism-proxy) or set --prism PATH",
                prism.display()
            )));
        };
        Ok(Self { own, prism, postgres, data })
    }
}
