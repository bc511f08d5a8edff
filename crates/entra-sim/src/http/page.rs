//! A page of rows, what faults make of it, and its bytes.

use crate::fault::Effect;
use crate::json::Json;

/// Rows, and where each came from.
#[derive(Debug, Default)]
pub struct Rows {
    json: Json,
    starts: Vec<usize>,
    positions: Vec<u32>,
}

impl Rows {
    /// Takes rows until the page is full. Returns the position of the first one that did not fit.
    pub fn fill<T>(
        &mut self,
        items: impl Iterator<Item = (u32, T)>,
        size: u32,
        mut write: impl FnMut(T, &mut Json),
    ) -> Option<u32> {
        self.json.0.reserve(size as usize * 1_024);
        for (position, item) in items {
            if self.positions.len() >= size as usize {
                return Some(position);
            }
            self.starts.push(self.json.0.len());
            self.positions.push(position);
            write(item, &mut self.json);
        }
        None
    }

    /// Takes one row. Returns what the writer says.
    pub fn push<T>(&mut self, position: u32, write: impl FnOnce(&mut Json) -> T) -> T {
        self.starts.push(self.json.0.len());
        self.positions.push(position);
        write(&mut self.json)
    }

    /// How many rows there are.
    pub fn len(&self) -> usize {
        self.positions.len()
    }

    /// Where the next page goes on, when it is to begin with this page's last rows.
    pub fn repeated(&self, effects: &[Effect], next: Option<u32>) -> Option<u32> {
        let wanted = effects.iter().find_map(|effect| match effect {
            Effect::Duplicates { rows } => Some(*rows),
            _ => None,
        });
        match wanted {
            // One row at least must be new, or the listing never ends.
            Some(rows) if self.positions.len() > 1 => {
                let back = rows.clamp(1, self.positions.len() - 1);
                Some(self.positions[self.positions.len() - back])
            }
            _ => next,
        }
    }

    fn each(&self) -> impl DoubleEndedIterator<Item = &[u8]> {
        (0..self.starts.len()).map(|row| {
            let end = self.starts.get(row + 1).copied().unwrap_or(self.json.0.len());
            &self.json.0[self.starts[row]..end]
        })
    }
}

/// How a page ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Link {
    /// There is no more.
    End,
    /// More behind this link.
    Next(String),
    /// No more now; what changes behind this link.
    Delta(String),
}

/// A page.
pub struct Page {
    /// `@odata.context`
    pub context: String,
    /// `@odata.count`
    pub count: Option<u64>,
    /// How it ends.
    pub link: Link,
    /// Its rows.
    pub rows: Rows,
}

impl Page {
    /// The link as faults leave it; `own` is this page's.
    pub fn bend(&mut self, effects: &[Effect], own: &str) {
        for effect in effects {
            match (effect, &self.link) {
                (Effect::Truncated, _) => self.link = Link::End,
                (Effect::Loop, _) => self.link = Link::Next(own.into()),
                (Effect::ForeignLink { origin }, Link::Next(link)) => {
                    self.link = Link::Next(moved(origin, link));
                }
                (Effect::ForeignLink { origin }, Link::Delta(link)) => {
                    self.link = Link::Delta(moved(origin, link));
                }
                _ => {}
            }
        }
    }

    /// The body.
    pub fn body(&self, effects: &[Effect]) -> Vec<u8> {
        let mut json = Json(Vec::with_capacity(
            self.rows.json.0.len() + self.rows.starts.len() + 1_024,
        ));
        json.raw("{\"@odata.context\":");
        json.string(&self.context);
        if let Some(count) = self.count {
            json.raw(",\"@odata.count\":");
            json.number(count, 1);
        }
        let last = effects.contains(&Effect::LinkLast);
        if !last {
            self.write_link(&mut json);
        }
        json.raw(",\"value\":[");
        if effects.contains(&Effect::Reversed) {
            Self::write_rows(self.rows.each().rev(), &mut json);
        } else {
            Self::write_rows(self.rows.each(), &mut json);
        }
        json.raw("]");
        if last {
            self.write_link(&mut json);
        }
        json.raw("}");
        spoil(json.0, effects)
    }

    fn write_link(&self, json: &mut Json) {
        let (name, link) = match &self.link {
            Link::End => return,
            Link::Next(link) => ("@odata.nextLink", link),
            Link::Delta(link) => ("@odata.deltaLink", link),
        };
        json.raw(",");
        json.key(name);
        json.string(link);
    }

    fn write_rows<'r>(rows: impl Iterator<Item = &'r [u8]>, json: &mut Json) {
        for (number, row) in rows.enumerate() {
            if number > 0 {
                json.raw(",");
            }
            json.0.extend_from_slice(row);
        }
    }
}

/// The bytes as faults leave them.
fn spoil(mut body: Vec<u8>, effects: &[Effect]) -> Vec<u8> {
    if effects.contains(&Effect::MalformedJson) {
        body.truncate(body.len() / 2);
    }
    if effects.contains(&Effect::NotUtf8) {
        // Inside the first displayName, or else anywhere.
        let name = b"\"displayName\":\"";
        let at = body.windows(name.len()).position(|bytes| bytes == name);
        let at = at.map_or(body.len() / 2, |at| at + name.len());
        if let Some(byte) = body.get_mut(at) {
            *byte = 0xff;
        }
    }
    body
}

fn moved(origin: &str, link: &str) -> String {
    let path = link.splitn(4, '/').nth(3).unwrap_or_default();
    format!("{}/{path}", origin.trim_end_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(count: u32) -> (Rows, Option<u32>) {
        let mut rows = Rows::default();
        let items = (0..count).map(|number| (number * 2, number));
        let next = rows.fill(items, 3, |number, json| json.number(u64::from(number), 1));
        (rows, next)
    }

    #[test]
    fn a_page_takes_what_fits() {
        let (rows, next) = rows(5);
        assert_eq!(next, Some(6));
        assert_eq!(rows.repeated(&[Effect::Duplicates { rows: 2 }], next), Some(2));
        assert_eq!(rows.repeated(&[Effect::Duplicates { rows: 9 }], next), Some(2));
        assert_eq!(rows.repeated(&[], next), Some(6));
    }

    #[test]
    fn links_can_be_moved_elsewhere() {
        let (rows, _) = rows(2);
        let link = Link::Next("http://127.0.0.1:1/v1.0/users?$skiptoken=x".into());
        let mut page = Page {
            context: "c".into(),
            count: None,
            link,
            rows,
        };
        page.bend(
            &[Effect::ForeignLink {
                origin: "https://elsewhere.example".into(),
            }],
            "",
        );
        let body = String::from_utf8(page.body(&[Effect::Reversed, Effect::LinkLast])).unwrap();
        let link = "\"@odata.nextLink\":\"https://elsewhere.example/v1.0/users?$skiptoken=x\"";
        assert_eq!(
            body,
            format!("{{\"@odata.context\":\"c\",\"value\":[1,0],{link}}}")
        );
    }
}
