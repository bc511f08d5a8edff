//! What the server has received.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use tokio::sync::watch;

/// One message as it came.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// 1 for the first that the server received.
    pub number: u64,
    /// When.
    pub received: SystemTime,
    /// The envelope's sender; empty for a bounce.
    pub from: String,
    /// The envelope's recipients.
    pub to: Vec<String>,
    /// Who signed in.
    pub user: Option<String>,
    /// Whether the line was encrypted.
    pub encrypted: bool,
    /// Headers and body, CRLF line ends, dots unstuffed.
    pub raw: Vec<u8>,
}

impl Message {
    /// The text, bytes that are not UTF-8 replaced.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.raw).into_owned()
    }

    /// The first header of that name, unfolded, encoded words left as they are.
    pub fn header(&self, name: &str) -> Option<String> {
        let text = self.text();
        let head = text.split("\r\n\r\n").next().unwrap_or_default();
        let mut found: Option<String> = None;
        for line in head.split("\r\n") {
            match (&mut found, line.starts_with([' ', '\t'])) {
                (Some(value), true) => {
                    value.push(' ');
                    value.push_str(line.trim());
                }
                (Some(_), false) => break,
                (None, _) => found = value_of(line, name).map(str::to_owned),
            }
        }
        found
    }
}

fn value_of<'a>(line: &'a str, wanted: &str) -> Option<&'a str> {
    let (name, value) = line.split_once(':')?;
    name.eq_ignore_ascii_case(wanted).then_some(value.trim())
}

/// A message before it has its number.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) from: String,
    pub(super) to: Vec<String>,
    pub(super) user: Option<String>,
    pub(super) encrypted: bool,
    pub(super) raw: Vec<u8>,
}

#[derive(Debug)]
pub(super) struct Mailbox {
    keep: usize,
    messages: Mutex<VecDeque<Arc<Message>>>,
    received: watch::Sender<u64>,
}

impl Mailbox {
    pub(super) fn new(keep: usize) -> Self {
        Self {
            keep: keep.max(1),
            messages: Mutex::default(),
            received: watch::Sender::new(0),
        }
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "a mail server stamps what it receives; nothing is decided by it"
    )]
    pub(super) fn put(&self, incoming: Incoming) {
        let mut messages = self.list();
        let number = *self.received.borrow() + 1;
        if messages.len() == self.keep {
            messages.pop_front();
        }
        messages.push_back(Arc::new(Message {
            number,
            received: SystemTime::now(),
            from: incoming.from,
            to: incoming.to,
            user: incoming.user,
            encrypted: incoming.encrypted,
            raw: incoming.raw,
        }));
        self.received.send_replace(number);
    }

    pub(super) fn all(&self) -> Vec<Arc<Message>> {
        self.list().iter().cloned().collect()
    }

    pub(super) fn get(&self, number: u64) -> Option<Arc<Message>> {
        self.list()
            .iter()
            .find(|message| message.number == number)
            .cloned()
    }

    pub(super) fn clear(&self) {
        self.list().clear();
    }

    pub(super) async fn wait_for(&self, count: usize) -> Vec<Arc<Message>> {
        let mut received = self.received.subscribe();
        loop {
            received.borrow_and_update();
            let all = self.all();
            // The sender lives as long as we do, so waiting for it cannot fail.
            if all.len() >= count || received.changed().await.is_err() {
                return all;
            }
        }
    }

    fn list(&self) -> std::sync::MutexGuard<'_, VecDeque<Arc<Message>>> {
        self.messages.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn incoming(raw: &str) -> Incoming {
        Incoming {
            from: String::new(),
            to: vec![],
            user: None,
            encrypted: false,
            raw: raw.as_bytes().to_vec(),
        }
    }

    #[test]
    fn the_oldest_go_first_and_numbers_are_not_used_again() {
        let mailbox = Mailbox::new(2);
        for raw in ["a", "b", "c"] {
            mailbox.put(incoming(raw));
        }
        let numbers: Vec<u64> = mailbox.all().iter().map(|message| message.number).collect();
        assert_eq!(numbers, [2, 3]);
        mailbox.clear();
        mailbox.put(incoming("d"));
        assert_eq!(mailbox.get(4).unwrap().raw, b"d");
    }

    #[test]
    fn a_folded_header_is_one_value() {
        let mailbox = Mailbox::new(1);
        mailbox.put(incoming(
            "Subject: one\r\n two\r\nMessage-ID: <x@y>\r\n\r\nSubject: in the body\r\n",
        ));
        let message = mailbox.get(1).unwrap();
        assert_eq!(message.header("subject").as_deref(), Some("one two"));
        assert_eq!(message.header("Message-Id").as_deref(), Some("<x@y>"));
        assert_eq!(message.header("Date"), None);
    }
}
