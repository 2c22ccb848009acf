//! Shrinking of the operations of a divergence, one part at a time.

use bytes::Bytes;
use prism_contract::keyvalue::request::{ItemInput, SelectionInput};

use crate::keyvalue::op::{Op, Span};

/// Every variant of the operation with one part removed or simplified; none for a minimal operation.
pub(super) fn simplifications(op: &Op) -> Vec<Op> {
    let mut simpler = Vec::new();
    match op {
        Op::Put(put) => {
            let mut with = |change: &dyn Fn(&mut crate::keyvalue::op::Put)| {
                let mut put = put.clone();
                change(&mut put);
                simpler.push(Op::Put(put));
            };
            for at in (0..put.items.len()).rev() {
                with(&|put| drop(put.items.remove(at)));
                with(&|put| {
                    let key = put.items[at].key.clone();
                    put.items[at] = ItemInput { key, ..ItemInput::default() };
                });
                with(&|put| put.items[at].value = Bytes::from_static(b"1"));
                with(&|put| put.items[at].content_type.clear());
                with(&|put| put.items[at].compression = 0);
            }
            for at in (0..put.when.len()).rev() {
                with(&|put| drop(put.when.remove(at)));
            }
            with(&|put| put.token = 0);
            with(&|put| put.ttl = None);
        }
        Op::Delete(delete) => {
            let mut with = |change: &dyn Fn(&mut crate::keyvalue::op::Delete)| {
                let mut delete = delete.clone();
                change(&mut delete);
                simpler.push(Op::Delete(delete));
            };
            for at in (0..delete.when.len()).rev() {
                with(&|delete| drop(delete.when.remove(at)));
            }
            with(&|delete| delete.token = 0);
        }
        Op::Get(get) => {
            let selections = selections(get.selection).into_iter();
            simpler.extend(
                selections.map(|selection| Op::Get(crate::keyvalue::op::Get { selection, ..get.clone() })),
            );
            simpler.push(Op::Get(crate::keyvalue::op::Get { predicate: None, ..get.clone() }));
        }
        Op::Scan(scan) => {
            let selections = selections(scan.selection).into_iter();
            simpler.extend(
                selections.map(|selection| Op::Scan(crate::keyvalue::op::Scan { selection, ..scan.clone() })),
            );
            simpler.push(Op::Scan(crate::keyvalue::op::Scan { predicate: None, ..scan.clone() }));
            simpler.push(Op::Scan(crate::keyvalue::op::Scan { limit: 0, ..scan.clone() }));
            simpler.push(Op::Scan(crate::keyvalue::op::Scan { cut: None, ..scan.clone() }));
        }
        Op::Advance(_) => simpler.push(Op::Advance(Span::Ticks(1))),
        Op::Describe(_) | Op::Sweep | Op::Restart(_) => {}
    }
    simpler.retain(|other| other != op);
    simpler
}

fn selections(selection: SelectionInput) -> [SelectionInput; 4] {
    [
        SelectionInput { item_limit: 0, ..selection },
        SelectionInput { page_size_bytes: 0, ..selection },
        SelectionInput { keys_only: false, ..selection },
        SelectionInput { reverse: false, ..selection },
    ]
}
