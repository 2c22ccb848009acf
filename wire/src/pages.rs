//! Response streams of a server: each message is a page, read when the client has taken the one before.

use futures::{Stream, stream};
use prism_contract::Error;
use tonic::{Request, Status};

use crate::call::{CallNotes, HasSubject, admit};
use crate::message::WireResponse;
use crate::slots::{Admission, Slot};

/// A call with a response stream: its notes, and its slots.
pub(crate) struct StreamCall {
    pub(crate) notes: CallNotes,
    /// The slot of the call's admission, for its first page.
    slot: Option<Slot>,
    admission: Option<Admission>,
    namespace: String,
}

impl StreamCall {
    /// Admits a call in `namespace`.
    ///
    /// # Errors
    /// The status that refuses the call.
    pub(crate) fn admit<T: HasSubject>(request: &Request<T>, namespace: &str) -> Result<Self, Status> {
        let (notes, slot) = admit(request, namespace, HasSubject::subject)?;
        let admission = request.extensions().get::<Admission>().cloned();
        Ok(Self { notes, slot, admission, namespace: namespace.to_owned() })
    }

    /// The slot for reading a page; `None`: the server has no limit.
    pub(crate) fn enter(&mut self) -> Option<Slot> {
        let again = || self.admission.as_ref().map(|admission| admission.enter_again(&self.namespace));
        self.slot.take().or_else(again)
    }
}

/// An answer that is read one message at a time.
pub(crate) trait Pages: Send + 'static {
    /// A message.
    type Message: WireResponse<Message: Send> + Send;

    /// Reads the next message; `None` after the last.
    fn next(&mut self) -> impl Future<Output = Result<Option<Self::Message>, Error>> + Send;
}

/// The messages of an answer. Each page is read only after the previous one was consumed, so a slow reader does not fill the
/// server's memory; it holds a slot while it is read. Dropping the stream drops the call (ERR-4).
pub(crate) fn messages<P: Pages>(
    call: StreamCall,
    pages: P,
) -> impl Stream<Item = Result<<P::Message as WireResponse>::Message, Status>> + Send {
    stream::unfold(Some((call, pages)), |state| async {
        let (mut call, mut pages) = state?;
        let slot = call.enter();
        let page = pages.next().await;
        drop(slot);
        match page {
            Ok(message) => {
                let message = message?.into_message();
                call.notes.count_message();
                Some((Ok(message), Some((call, pages))))
            }
            Err(error) => Some((Err(call.notes.refuse(error)), None)),
        }
    })
}
