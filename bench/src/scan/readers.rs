//! Readers of a whole namespace.

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;
use std::process::{Command, Stdio};

use bytes::Bytes;
use prism_proto::keyvalue::v1::{Entry, ScanRequest};
use tonic::Code;

use crate::client::{Grpc, NAMESPACE, item_of, record_of};
use crate::failure::Failure;
use crate::load::state::State;
use crate::process::find;
use crate::target::postgres_folders;

/// Streams all items and verifies values, uniqueness and order. Resumes a stream that its deadline ended.
pub(super) async fn gateway(client: &mut Grpc, state: &State) -> Result<u64, Failure> {
    let failed = |why: &str| Failure::Failed(format!("scan: {why}"));
    let mut count = 0;
    let mut last: Option<(String, Bytes)> = None;
    let mut token = Bytes::new();
    loop {
        let request = ScanRequest {
            namespace: NAMESPACE.to_owned(),
            resume_token: token.clone(),
            ..ScanRequest::default()
        };
        let stream = client.inner().scan(request).await;
        let mut stream = stream.map_err(|status| failed(&status.to_string()))?.into_inner();
        loop {
            match stream.message().await {
                Ok(Some(message)) => {
                    for entry in message.entries {
                        last = Some(check(state, entry, last.take()).map_err(|why| failed(&why))?);
                        count += 1;
                    }
                    token = message.resume_token;
                }
                Ok(None) => return Ok(count),
                Err(status) if status.code() == Code::DeadlineExceeded && !token.is_empty() => break,
                Err(status) => return Err(failed(&status.to_string())),
            }
        }
    }
}

fn check(state: &State, entry: Entry, last: Option<(String, Bytes)>) -> Result<(String, Bytes), String> {
    let item = entry.item.ok_or("an entry without an item")?;
    let this = (entry.id, item.key);
    if last.is_some_and(|last| last >= this) {
        return Err(format!("{} is out of order or a duplicate", this.0));
    }
    let (Some(record), Some(number)) = (record_of(&this.0), item_of(&this.1)) else {
        return Err(format!("'{}' was never written", this.0));
    };
    state.check(record, number, &item.value)?;
    Ok(this)
}

/// The `sqlite3` command, with stdout to the file.
pub(super) fn sqlite3(database: &str, file: &Path) -> Result<Command, Failure> {
    let output = File::create(file).map_err(|why| Failure::of("sqlite3", &why))?;
    let mut command = Command::new("sqlite3");
    command.args(["-readonly", "-csv", database]);
    command.arg(format!(
        "SELECT CAST(id AS TEXT), hex(key), hex(value), version, created_at, updated_at FROM items \
         WHERE namespace = CAST('{NAMESPACE}' AS BLOB) ORDER BY namespace, id, key"
    ));
    command.stdin(Stdio::null()).stdout(output);
    Ok(command)
}

/// The `psql` command, which writes the file itself.
pub(super) fn psql(url: &str, file: &Path) -> Command {
    let program = find("psql", &postgres_folders()).unwrap_or_default();
    let mut command = Command::new(program);
    command.args(["-X", "-q", "-v", "ON_ERROR_STOP=1", url, "-c"]);
    command.arg(format!(
        "\\copy (SELECT convert_from(id, 'UTF8'), key, value, version, created_at, updated_at FROM prism_items \
         WHERE namespace = '{NAMESPACE}' ORDER BY namespace, id, key) TO '{}' (FORMAT csv)",
        file.display()
    ));
    command.stdin(Stdio::null());
    command
}

/// Number of lines in a file.
pub(super) fn lines(file: &Path) -> Result<u64, Failure> {
    let failed = |why| Failure::of(&file.display().to_string(), &why);
    let mut reader = BufReader::new(File::open(file).map_err(failed)?);
    let (mut buffer, mut lines) = (vec![0; 1 << 16], 0);
    loop {
        match reader.read(&mut buffer).map_err(failed)? {
            0 => return Ok(lines),
            read => lines += buffer[..read].iter().map(|&byte| u64::from(byte == b'\n')).sum::<u64>(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::load::Step;
    use crate::load::keys::{Choice, Keys};
    use crate::load::mix::Mix;
    use crate::value::{Sizes, number_of};
    use prism_proto::keyvalue::v1::Item;

    #[test]
    fn a_duplicate_out_of_order_or_foreign_entry_is_detected() {
        let values = Sizes::new(50, 50).unwrap();
        let keys = Keys::new(Choice::Uniform, 10).unwrap();
        let state = State::new(Mix::only(Step::Scan), keys, values, 10, 1);
        let entry = |id: &str, of: u64| {
            let value = values.make(number_of(of, 0), 1);
            Entry {
                id: id.to_owned(),
                item: Some(Item { key: Bytes::from_static(b"k"), value, metadata: None }),
            }
        };
        let last = check(&state, entry("r1", 1), None).unwrap();
        let (id, key) = check(&state, entry("r2", 2), Some(last.clone())).unwrap();
        assert_eq!((id.as_str(), &key[..]), ("r2", &b"k"[..]));
        for wrong in [entry("r1", 1), entry("r0", 0), entry("r3", 2), entry("x", 2), Entry::default()] {
            assert!(check(&state, wrong.clone(), Some(last.clone())).is_err(), "{wrong:?}");
        }
    }

    #[test]
    fn lines_of_a_file_are_counted() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "1,a\n2,b\n3,c\n").unwrap();
        assert_eq!(lines(file.path()).unwrap(), 3);
    }
}
