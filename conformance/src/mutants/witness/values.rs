//! Values, keys and names of every kind.

use crate::case::Proof;
use crate::{Ctx, item, items};

/// Values with NUL, with bytes that are not UTF-8, empty, and at the limit.
pub(in crate::mutants) async fn values(c: &Ctx) -> Proof {
    let long = vec![b'x'; 1 << 20];
    c.put_one("long", &long).sent().await?;
    c.put([item("nul", "a\0b"), item("bytes", b"\xff\xfe"), item("empty", "")]).sent().await?;
    c.get().page_of(2).pages().await?;
    c.get().keys_only().sent().await?;
    Ok(())
}

/// What a client says of an item.
pub(in crate::mutants) async fn metadata(c: &Ctx) -> Proof {
    let mut said = item("k", "v");
    (said.content_type, said.compression) = ("text/plain".to_owned(), 2);
    c.put([said.clone()]).sent().await?;
    c.get().sent().await?;
    said.compression = 77;
    c.put([said]).sent().await?;
    c.get().sent().await?;
    c.put_one("k", "v").sent().await?;
    c.get().sent().await?;
    Ok(())
}

/// Keys that differ in case, in a NUL, in a leading zero, in an encoding, and in their order.
pub(in crate::mutants) async fn keys(c: &Ctx) -> Proof {
    let keys: [&[u8]; 13] = [
        b"a",
        b"A",
        b"b",
        b"a\0",
        b"1",
        b"01",
        b"\xff",
        b"\xfe",
        "é".as_bytes(),
        "e\u{301}".as_bytes(),
        b"%",
        b"_",
        b"\\",
    ];
    c.put(items(keys.map(|key| (key, "v")))).sent().await?;
    for key in keys {
        c.put_one(key, key).sent().await?;
    }
    c.get().sent().await?;
    c.get().range("A", "b").sent().await?;
    Ok(())
}

/// Ids that differ in case, in spaces and in an encoding, and the order of their records.
pub(in crate::mutants) async fn ids(c: &Ctx) -> Proof {
    for id in ["b", "B", "a", " a", "é", "e\u{301}"] {
        c.put_one("k", id).on(id).sent().await?;
        c.get().on(id).sent().await?;
    }
    c.scan().sent().await?;
    Ok(())
}

/// Namespaces of which one begins with the other.
pub(in crate::mutants) async fn namespaces(c: &Ctx) -> Proof {
    c.put_one("k", "1").on("br").sent().await?;
    c.put_one("k", "2").on("r").within("b").sent().await?;
    c.get().on("br").sent().await?;
    c.scan().sent().await?;
    Ok(())
}
