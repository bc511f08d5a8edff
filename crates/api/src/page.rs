//! Pages of lists: sizes, and tokens that say where the next page begins.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use prost::Message;
use sha2::{Digest, Sha256};

use crate::fault::Fault;

/// Rows on a page when the caller does not say.
const DEFAULT_SIZE: i64 = 50;
/// Rows on a page at most; who asks for more gets so many.
const LARGEST_SIZE: i64 = 1_000;
/// Bytes on a page at most, a single row aside: gRPC clients take 4 MiB unless they are told otherwise.
const LARGEST_PAGE: usize = 3 << 20;
/// Bytes of a token that bind it to its list.
const SEAL: usize = 8;

/// Which page of which list is asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    /// Rows at most.
    pub size: i64,
    /// The last row of the page before; none for the first page.
    pub after: Option<Vec<String>>,
    list: String,
}

impl Page {
    /// Reads `page_size` and `page_token`. `list` names the list and what it is filtered by: a token of another list
    /// is refused.
    pub fn read(list: impl Into<String>, size: i32, token: &str) -> Result<Self, Fault> {
        let list = list.into();
        let size = match i64::from(size) {
            ..0 => {
                return Err(Fault::invalid(
                    "pageSize",
                    "is negative; leave it out or use 1 to 1000",
                ));
            }
            0 => DEFAULT_SIZE,
            size => size.min(LARGEST_SIZE),
        };
        let after = match token {
            "" => None,
            token => Some(open(&list, token).ok_or_else(bad_token)?),
        };
        Ok(Self { size, after, list })
    }

    /// One more row than the page has, to know whether another page follows.
    pub const fn limit(&self) -> i64 {
        self.size + 1
    }

    /// The only part of the key of the last row of the page before.
    pub fn after_text(&self) -> Result<Option<&str>, Fault> {
        match self.after.as_deref() {
            None => Ok(None),
            Some([one]) => Ok(Some(one)),
            Some(_) => Err(bad_token()),
        }
    }

    /// The parts of the key of the last row of the page before, parsed.
    pub fn after_parsed<T>(&self, parse: impl FnOnce(&[String]) -> Option<T>) -> Result<Option<T>, Fault> {
        match self.after.as_deref() {
            None => Ok(None),
            Some(parts) => parse(parts).map(Some).ok_or_else(bad_token),
        }
    }

    /// Takes the extra row away; the token for the next page, empty when this is the last one.
    pub fn cut<T>(&self, rows: &mut Vec<T>, key: impl FnOnce(&T) -> Vec<String>) -> String {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        if rows.len() <= size {
            return String::new();
        }
        rows.truncate(size);
        rows.last()
            .map_or_else(String::new, |last| seal(&self.list, &key(last)))
    }

    /// The same for rows that may be large: as many as a client takes in one message, one at least.
    pub fn cut_messages<T, M: Message>(
        &self,
        rows: Vec<T>,
        key: impl Fn(&T) -> Vec<String>,
        message: impl Fn(T) -> M,
    ) -> (Vec<M>, String) {
        let size = usize::try_from(self.size).unwrap_or(usize::MAX);
        let mut bytes = 0;
        let mut last = Vec::new();
        let mut messages = Vec::with_capacity(rows.len().min(size));
        for row in rows {
            let place = key(&row);
            let told = message(row);
            bytes += told.encoded_len();
            if messages.len() == size || (bytes > LARGEST_PAGE && !messages.is_empty()) {
                return (messages, seal(&self.list, &last));
            }
            messages.push(told);
            last = place;
        }
        (messages, String::new())
    }
}

fn bad_token() -> Fault {
    Fault::invalid(
        "pageToken",
        "is not a token of this list; begin again without one",
    )
}

fn seal(list: &str, parts: &[String]) -> String {
    let text = parts.join("\u{1f}");
    let mut bytes = binding(list, &text).to_vec();
    bytes.extend_from_slice(text.as_bytes());
    URL_SAFE_NO_PAD.encode(bytes)
}

fn open(list: &str, token: &str) -> Option<Vec<String>> {
    let bytes = URL_SAFE_NO_PAD.decode(token).ok()?;
    let (seal, text) = bytes.split_first_chunk::<SEAL>()?;
    let text = std::str::from_utf8(text).ok()?;
    (*seal == binding(list, text)).then(|| text.split('\u{1f}').map(str::to_owned).collect())
}

/// Not a secret: it only keeps a token from being used with another list by mistake.
fn binding(list: &str, text: &str) -> [u8; SEAL] {
    let digest = Sha256::new()
        .chain_update(list)
        .chain_update([0])
        .chain_update(text)
        .finalize();
    let mut binding = [0; SEAL];
    binding.copy_from_slice(&digest[..SEAL]);
    binding
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(list: &str) -> String {
        let page = Page::read(list, 2, "").unwrap();
        let mut rows = vec!["a", "b", "c"];
        let token = page.cut(&mut rows, |row| vec![(*row).to_owned(), "2026".to_owned()]);
        assert_eq!(rows, ["a", "b"]);
        token
    }

    #[test]
    fn a_token_continues_behind_the_last_row() {
        let page = Page::read("runs", 2, &token("runs")).unwrap();
        assert_eq!(page.after, Some(vec!["b".to_owned(), "2026".to_owned()]));
        assert!(page.after_text().is_err());
    }

    #[test]
    fn the_last_page_has_no_token() {
        let page = Page::read("runs", 2, "").unwrap();
        let mut rows = vec![1, 2];
        assert_eq!(page.cut(&mut rows, |_| vec![]), "");
        assert_eq!(rows, [1, 2]);
    }

    #[test]
    fn large_rows_make_short_pages() {
        let page = Page::read("runs", 5, "").unwrap();
        let rows: Vec<String> = ["a", "b", "c"].map(|row| row.repeat(2 << 20)).into();
        let (told, token) = page.cut_messages(rows, |row| vec![row[..1].to_owned()], |row| row);
        assert_eq!(told.len(), 1, "two are too much for one message");
        assert_eq!(
            Page::read("runs", 5, &token).unwrap().after,
            Some(vec!["a".to_owned()])
        );
        let rows: Vec<String> = ["a", "b", "c"].map(str::to_owned).into();
        let (told, token) = page.cut_messages(rows, |_| vec![], |row| row);
        assert_eq!((told.len(), token.as_str()), (3, ""));
    }

    #[test]
    fn tokens_of_another_list_or_none_at_all_are_refused() {
        let token = token("runs");
        assert!(Page::read("runs", 2, &token).is_ok());
        for (list, bad) in [
            ("links", token.clone()),
            ("runs", token[1..].to_owned()),
            ("runs", "%".to_owned()),
        ] {
            assert!(
                matches!(Page::read(list, 2, &bad), Err(Fault::Invalid(_))),
                "{list} {bad}"
            );
        }
    }

    #[test]
    fn sizes_have_a_default_and_a_limit() {
        assert_eq!(Page::read("x", 0, "").unwrap().size, 50);
        assert_eq!(Page::read("x", 5_000, "").unwrap().size, 1_000);
        assert!(Page::read("x", -1, "").is_err());
    }
}
