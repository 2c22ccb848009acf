//! The log: a frame for each write, on disk before the write is acknowledged.
//!
//! A frame is the length of a write (8 bytes), its checksum (4 bytes), and the write. The log only grows.

use std::error::Error;
use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write as _};
use std::path::Path;

use bytes::{Buf, BufMut, Bytes};
use prism_contract::keyvalue::{Key, NewItem, RecordId};
use prism_contract::{Namespace, Timestamp};

/// What a Put or a Delete changes in one record.
pub(crate) struct Write {
    pub(crate) namespace: Namespace,
    pub(crate) id: RecordId,
    pub(crate) now: Timestamp,
    pub(crate) items: Vec<NewItem>,
    pub(crate) removed: Vec<Key>,
}

/// The bytes of a frame before the write.
const HEADER: u64 = 12;

/// An open log.
pub(crate) struct Log {
    file: File,
    /// The end of the last whole frame.
    end: u64,
}

impl Log {
    /// Opens or creates a log; returns its writes. A frame that a crash has cut short was never
    /// acknowledged: it ends the log, and the next frame replaces it (DUR-2).
    pub(crate) fn open(path: &Path) -> io::Result<(Self, Vec<Write>)> {
        let mut file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        // The file's name is in its folder, which the disk must have, too (DUR-4).
        if let Some(folder) = path.canonicalize()?.parent() {
            File::open(folder)?.sync_all()?;
        }
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        let mut rest = Bytes::from(bytes);
        let (mut end, mut writes) = (0, Vec::new());
        while let Some(frame) = next_frame(&mut rest) {
            end += HEADER + frame.len() as u64;
            writes.push(Write::decode(frame).map_err(io::Error::other)?);
        }
        Ok((Self { file, end }, writes))
    }

    /// Appends a write, and returns when the disk has it (DUR-1, DUR-4).
    pub(crate) fn append(&mut self, write: &Write) -> io::Result<()> {
        let body = write.encode();
        let mut frame = Vec::new();
        frame.put_u64(body.len() as u64);
        frame.put_u32(crc32fast::hash(&body));
        frame.put_slice(&body);
        // Behind the last whole frame may be a part of one that could not be written.
        self.file.set_len(self.end)?;
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(&frame)?;
        self.file.sync_data()?;
        self.end += frame.len() as u64;
        Ok(())
    }
}

/// The next frame's write, if it is whole.
fn next_frame(rest: &mut Bytes) -> Option<Bytes> {
    let length = usize::try_from(rest.try_get_u64().ok()?).ok()?;
    let checksum = rest.try_get_u32().ok()?;
    let body = (rest.len() >= length).then(|| rest.split_to(length))?;
    (crc32fast::hash(&body) == checksum).then_some(body)
}

impl Write {
    fn encode(&self) -> Vec<u8> {
        let mut to = Vec::new();
        put_bytes(&mut to, self.namespace.as_str().as_bytes());
        put_bytes(&mut to, self.id.as_str().as_bytes());
        to.put_i64(self.now.as_micros());
        to.put_u64(self.items.len() as u64);
        for item in &self.items {
            put_bytes(&mut to, item.key.as_bytes());
            put_bytes(&mut to, &item.value);
            put_bytes(&mut to, item.content_type.as_bytes());
            to.put_i32(item.compression);
        }
        to.put_u64(self.removed.len() as u64);
        for key in &self.removed {
            put_bytes(&mut to, key.as_bytes());
        }
        to
    }

    fn decode(mut from: Bytes) -> Result<Self, Box<dyn Error + Send + Sync>> {
        let namespace = Namespace::new(get_text(&mut from)?)?;
        let id = RecordId::new(get_text(&mut from)?)?;
        let now = Timestamp::from_micros(from.try_get_i64()?)?;
        let mut items = Vec::new();
        for _ in 0..from.try_get_u64()? {
            items.push(NewItem {
                key: Key::new(get_bytes(&mut from)?)?,
                value: get_bytes(&mut from)?,
                content_type: get_text(&mut from)?,
                compression: from.try_get_i32()?,
            });
        }
        let mut removed = Vec::new();
        for _ in 0..from.try_get_u64()? {
            removed.push(Key::new(get_bytes(&mut from)?)?);
        }
        Ok(Self {
            namespace,
            id,
            now,
            items,
            removed,
        })
    }
}

fn put_bytes(to: &mut Vec<u8>, bytes: &[u8]) {
    to.put_u64(bytes.len() as u64);
    to.put_slice(bytes);
}

fn get_bytes(from: &mut Bytes) -> Result<Bytes, Box<dyn Error + Send + Sync>> {
    let length = usize::try_from(from.try_get_u64()?)?;
    if length > from.len() {
        return Err("a field of the log ends past its frame".into());
    }
    Ok(from.split_to(length))
}

fn get_text(from: &mut Bytes) -> Result<String, Box<dyn Error + Send + Sync>> {
    Ok(String::from_utf8(get_bytes(from)?.into())?)
}
