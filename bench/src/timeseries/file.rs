//! A file to which each batch is written and synced: what durability costs without a database.

use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use super::events::{Batch, Layout};
use crate::failure::Failure;

/// The file, which the clients share.
#[derive(Debug, Clone)]
pub(super) struct Writer(Arc<Mutex<File>>);

pub(super) fn create(path: &Path) -> Result<Writer, Failure> {
    let file = File::create(path).map_err(|why| Failure::of("file", &why))?;
    Ok(Writer(Arc::new(Mutex::new(file))))
}

impl Writer {
    pub(super) async fn append(&self, layout: &Layout, batch: Batch) -> Result<(), Failure> {
        let mut bytes = Vec::new();
        for number in batch.first..batch.first + batch.count {
            bytes.extend(layout.series_of(number).to_be_bytes());
            bytes.extend(Layout::time_of(number).to_be_bytes());
            bytes.extend(Layout::id_of(number));
            bytes.extend(layout.payload_of(number));
        }
        let file = Arc::clone(&self.0);
        let written = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            file.write_all(&bytes)?;
            file.sync_data()
        });
        written.await.map_err(|why| Failure::of("file", &why))?.map_err(|why| Failure::of("file", &why))
    }
}
