//! Whether a broker answers: it accepts connections before it has joined its cluster.

use std::io;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

/// A request for metadata, version 1, which every broker knows: of no topic.
const REQUEST: &[u8] = b"\0\0\0\x12\0\x03\0\x01\0\0\0\x01\0\x04test\0\0\0\0";

/// The start of the answer: its length, the number of the request, and the number of brokers.
const START: usize = 12;

/// Asks the broker at an address for its cluster.
///
/// # Errors
/// It does not answer, or knows no broker yet.
pub(super) async fn ask(address: &str) -> io::Result<()> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(REQUEST).await?;
    let mut start = [0; START];
    stream.read_exact(&mut start).await?;
    let brokers = i32::from_be_bytes([start[8], start[9], start[10], start[11]]);
    if start[4..8] != REQUEST[8..12] || brokers < 1 {
        return Err(io::Error::other("it knows no broker"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    /// The outcome of a question to a server that answers so.
    async fn asked(answer: &'static [u8]) -> Result<(), String> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.unwrap();
            let mut request = vec![0; REQUEST.len()];
            stream.read_exact(&mut request).await.unwrap();
            stream.write_all(answer).await.unwrap();
            request
        });
        let outcome = ask(&address).await.map_err(|error| error.kind().to_string());
        let request = server.await.unwrap();
        let length = u32::from_be_bytes(request[..4].try_into().unwrap());
        assert_eq!((request.as_slice(), length as usize + 4), (REQUEST, REQUEST.len()));
        outcome
    }

    #[tokio::test]
    async fn a_broker_is_ready_once_it_knows_its_cluster() {
        assert_eq!(asked(b"\0\0\0\x20\0\0\0\x01\0\0\0\x01").await, Ok(()));
        assert_eq!(asked(b"\0\0\0\x20\0\0\0\x01\0\0\0\0").await, Err("other error".to_owned()));
        assert_eq!(asked(b"").await, Err("unexpected end of file".to_owned()));
    }
}
