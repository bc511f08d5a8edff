//! A connection on which anything may be said, byte by byte.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// With which HTTP/2 begins: its preface, and settings that set nothing.
pub const GREETING: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

/// Between two looks at what comes.
const LOOK: Duration = Duration::from_millis(150);

const HEADERS: u8 = 1;
const RST_STREAM: u8 = 3;
const DATA: u8 = 0;
const END_HEADERS: u8 = 4;

/// A connection.
pub struct Raw {
    stream: TcpStream,
    over: bool,
}

impl Raw {
    pub async fn connect(address: SocketAddr) -> Self {
        Self {
            stream: TcpStream::connect(address).await.unwrap(),
            over: false,
        }
    }

    /// Whether it could be sent.
    pub async fn send(&mut self, bytes: &[u8]) -> bool {
        self.over |= self.stream.write_all(bytes).await.is_err();
        !self.over
    }

    /// Reads what there is just now: whether the other side has ended the connection.
    pub async fn is_over(&mut self) -> bool {
        self.is_cut_within(LOOK).await
    }

    /// Whether the other side ends the connection in time.
    pub async fn is_cut_within(&mut self, limit: Duration) -> bool {
        let end = async {
            let mut bytes = [0; 4 * 1024];
            while self.stream.read(&mut bytes).await.is_ok_and(|count| count > 0) {}
        };
        self.over |= tokio::time::timeout(limit, end).await.is_ok();
        self.over
    }

    /// Reads until `end` has come, or the other side has ended the connection.
    pub async fn read_until(&mut self, end: &str) -> String {
        let mut all = Vec::new();
        let read = async {
            let mut bytes = [0; 4 * 1024];
            loop {
                match self.stream.read(&mut bytes).await {
                    Ok(count) if count > 0 => all.extend_from_slice(&bytes[..count]),
                    _ => return,
                }
                if String::from_utf8_lossy(&all).contains(end) {
                    return;
                }
            }
        };
        tokio::time::timeout(Duration::from_secs(20), read)
            .await
            .unwrap_or_else(|_| panic!("no answer"));
        String::from_utf8_lossy(&all).into_owned()
    }
}

/// A frame of HTTP/2.
pub fn frame(kind: u8, flags: u8, call: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    let mut bytes = length[1..].to_vec();
    bytes.extend([kind, flags]);
    bytes.extend(call.to_be_bytes());
    bytes.extend_from_slice(payload);
    bytes
}

/// The head of a call of the health check.
pub fn head(call: u32) -> Vec<u8> {
    frame(HEADERS, END_HEADERS, call, &fields())
}

fn fields() -> Vec<u8> {
    let mut fields = vec![0x83, 0x86];
    for (name, value) in [
        (&[0x04_u8][..], "/grpc.health.v1.Health/Check"),
        (&[0x01], "localhost"),
        (&[0x0f, 0x10], "application/grpc"),
    ] {
        fields.extend_from_slice(name);
        fields.push(u8::try_from(value.len()).unwrap());
        fields.extend_from_slice(value.as_bytes());
    }
    fields
}

/// A call, and that it is taken back.
pub fn call_taken_back(call: u32) -> Vec<u8> {
    let mut bytes = head(call);
    bytes.extend(frame(RST_STREAM, 0, call, &8_u32.to_be_bytes()));
    bytes
}

/// A call with the first bytes of a message.
pub fn call_begun(call: u32) -> Vec<u8> {
    let mut bytes = head(call);
    let mut message = vec![0, 0, 0, 0xff, 0xff];
    message.resize(250, 7);
    bytes.extend(frame(DATA, 0, call, &message));
    bytes
}
