//! Reading lines of bounded length in bounded time.

use std::io;
use std::time::Duration;

use tokio::io::{AsyncBufRead, AsyncBufReadExt};

/// The longest command line that is read, in bytes. RFC 5321 asks for 512, AUTH for 12,288.
pub(super) const COMMAND: usize = 12_288;
/// RFC 5321 gives a client five minutes; nobody here needs them.
const PATIENCE: Duration = Duration::from_secs(60);

pub(super) enum Line {
    /// With its line end.
    Text(Vec<u8>),
    TooLong,
    End,
}

/// The next line; of one that is longer than `limit` the rest is skipped.
pub(super) async fn read(from: &mut (impl AsyncBufRead + Unpin), limit: usize) -> io::Result<Line> {
    tokio::time::timeout(PATIENCE, read_now(from, limit)).await?
}

/// The message up to the lone dot, dots unstuffed (RFC 5321 §4.5.2); `None` when it is larger than `limit`.
pub(super) async fn read_message(
    from: &mut (impl AsyncBufRead + Unpin),
    limit: usize,
) -> io::Result<Option<Vec<u8>>> {
    let mut message = Vec::new();
    let mut fits = true;
    loop {
        match read(from, limit).await? {
            Line::Text(line) if line == b".\r\n" => return Ok(fits.then_some(message)),
            Line::Text(line) => {
                let line = line.strip_prefix(b".").unwrap_or(&line);
                fits = fits && message.len() + line.len() <= limit;
                if fits {
                    message.extend_from_slice(line);
                }
            }
            Line::TooLong => fits = false,
            Line::End => return Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

async fn read_now(from: &mut (impl AsyncBufRead + Unpin), limit: usize) -> io::Result<Line> {
    let mut line = Vec::new();
    let mut fits = true;
    loop {
        let available = from.fill_buf().await?;
        if available.is_empty() {
            return Ok(Line::End);
        }
        let end = available
            .iter()
            .position(|byte| *byte == b'\n')
            .map(|position| position + 1);
        let taken = end.unwrap_or(available.len());
        fits = fits && line.len() + taken <= limit;
        if fits {
            line.extend_from_slice(&available[..taken]);
        }
        from.consume(taken);
        if end.is_some() {
            return Ok(if fits { Line::Text(line) } else { Line::TooLong });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn message(text: &str, limit: usize) -> io::Result<Option<String>> {
        let read = read_message(&mut text.as_bytes(), limit).await?;
        Ok(read.map(|bytes| String::from_utf8(bytes).unwrap()))
    }

    #[tokio::test]
    async fn dots_are_unstuffed_and_a_lone_dot_ends() {
        let text = "a\r\n..b\r\n.\r\nQUIT\r\n";
        assert_eq!(message(text, 100).await.unwrap().as_deref(), Some("a\r\n.b\r\n"));
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_read_to_its_end_and_not_kept() {
        let long = format!("{}\r\nb\r\n.\r\n", "a".repeat(200));
        assert_eq!(message(&long, 100).await.unwrap(), None);
        let many = format!("{}.\r\n", "a\r\n".repeat(100));
        assert_eq!(message(&many, 100).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_message_without_an_end_is_no_message() {
        assert_eq!(
            message("a\r\nb", 100).await.unwrap_err().kind(),
            io::ErrorKind::UnexpectedEof
        );
    }
}
