//! Packing observed users into page messages: `rollcall.bus.v1.Page`, written by hand, since prost would copy every user
//! twice more on the hottest path there is. A test holds it against prost.

use bytes::Bytes;
use contracts::bus::v1::Source;
use contracts::observed;
use domain::attribute::Attribute;
use domain::id::{ObjectId, RunId};
use domain::observed::{Mention, ObservedUser};
use prost::encoding::{WireType, encode_key, encode_varint};

/// Records of a page message, at most.
pub const RECORDS: usize = 1_000;
/// Bytes of a page message before compression, at about most; well under what a broker takes.
pub const BYTES: usize = 768 * 1024;
/// Bytes of one encoded record; what is larger fails by itself instead of filling pages.
pub const RECORD_BYTES: usize = 256 * 1024;
/// Objects of a run whose repeats are looked for; thirty-two megabytes.
const COMPARED: usize = 4_000_000;
/// Characters of a reason that are kept.
const REASON_CHARACTERS: usize = 1_000;
/// Bytes of a name that a record which is too large keeps.
const NAME_BYTES: usize = 1_000;

/// Field numbers of `rollcall.bus.v1.Page`.
mod field {
    pub const RUN_ID: u32 = 1;
    pub const ATTEMPT: u32 = 2;
    pub const NUMBER: u32 = 3;
    pub const SOURCE: u32 = 4;
    pub const OBJECT_IDS: u32 = 5;
    pub const HASHES: u32 = 6;
    pub const USERS: u32 = 7;
    pub const UNUSABLE: u32 = 8;
}

/// A page message, ready to be published.
#[derive(Clone, Debug)]
pub struct Message {
    /// From 1, without gaps within an attempt.
    pub number: u32,
    /// Records in it, those without a usable id included.
    pub records: u32,
    /// Compressed.
    pub payload: Bytes,
}

/// Collects records until a message is full. Its buffers are used again for the next one.
pub struct Packer {
    run: RunId,
    attempt: u32,
    number: u32,
    source: Source,
    records: usize,
    object_ids: Vec<u8>,
    hashes: Vec<u8>,
    /// The first half of every object's id so far: two of one run that differ in the rest only are as good as never there,
    /// and would cost a look.
    firsts: Vec<u64>,
    /// Users and unusable records, each behind its key and length.
    framed: Vec<u8>,
    user: Vec<u8>,
    message: Vec<u8>,
}

impl Packer {
    /// Begins with page 1.
    pub fn new(run: RunId, attempt: u32) -> Self {
        Self {
            run,
            attempt,
            number: 0,
            source: Source::Unspecified,
            records: 0,
            object_ids: Vec::with_capacity(RECORDS * 16),
            hashes: Vec::with_capacity(RECORDS * 8),
            firsts: Vec::new(),
            framed: Vec::with_capacity(BYTES),
            user: Vec::new(),
            message: Vec::with_capacity(BYTES),
        }
    }

    /// Adds a user. Gives out the message that was full before, if it was.
    pub fn add(
        &mut self,
        source: Source,
        user: &ObservedUser<'_>,
    ) -> Result<Option<Message>, bus::CompressionError> {
        let mut encoded = std::mem::take(&mut self.user);
        encode(user, &mut encoded);
        let full = self.add_encoded(source, user.id, &encoded);
        self.user = encoded;
        full
    }

    /// Adds a user that [`encode`] has encoded.
    pub fn add_encoded(
        &mut self,
        source: Source,
        id: ObjectId,
        user: &[u8],
    ) -> Result<Option<Message>, bus::CompressionError> {
        let full = self.make_room(source, user.len())?;
        self.append(id, user);
        Ok(full)
    }

    /// Adds a record without a usable id, by the reason why it has none.
    pub fn add_unusable(
        &mut self,
        source: Source,
        reason: &str,
    ) -> Result<Option<Message>, bus::CompressionError> {
        let reason: String = reason.chars().take(REASON_CHARACTERS).collect();
        let full = self.make_room(source, reason.len())?;
        frame(field::UNUSABLE, reason.as_bytes(), &mut self.framed);
        self.records += 1;
        Ok(full)
    }

    /// Gives out what has been collected, if anything.
    pub fn flush(&mut self) -> Result<Option<Message>, bus::CompressionError> {
        if self.records == 0 {
            return Ok(None);
        }
        self.number += 1;
        let out = &mut self.message;
        out.clear();
        frame(field::RUN_ID, self.run.0.as_bytes(), out);
        for (key, value) in [
            (field::ATTEMPT, u64::from(self.attempt)),
            (field::NUMBER, u64::from(self.number)),
            (field::SOURCE, u64::from(self.source as u32)),
        ] {
            encode_key(key, WireType::Varint, out);
            encode_varint(value, out);
        }
        frame(field::OBJECT_IDS, &self.object_ids, out);
        frame(field::HASHES, &self.hashes, out);
        out.extend_from_slice(&self.framed);
        let records = u32::try_from(self.records).unwrap_or(u32::MAX);
        let payload = bus::compress(out)?;
        self.records = 0;
        self.object_ids.clear();
        self.hashes.clear();
        self.framed.clear();
        Ok(Some(Message {
            number: self.number,
            records,
            payload,
        }))
    }

    /// Whether an object came more than once, or may have: there are too many to compare.
    pub fn repeats(mut self) -> bool {
        self.firsts.sort_unstable();
        self.firsts.len() > COMPARED || self.firsts.windows(2).any(|two| two[0] == two[1])
    }

    /// A message is of one source, and has so many records and bytes.
    fn make_room(&mut self, source: Source, bytes: usize) -> Result<Option<Message>, bus::CompressionError> {
        let full = self.records >= RECORDS || self.framed.len() + bytes > BYTES || self.source != source;
        let message = if full { self.flush()? } else { None };
        self.source = source;
        Ok(message)
    }

    fn append(&mut self, id: ObjectId, user: &[u8]) {
        self.object_ids.extend_from_slice(id.0.as_bytes());
        if self.firsts.len() <= COMPARED {
            self.firsts.push(id.0.as_u64_pair().0);
        }
        self.hashes.extend_from_slice(&observed::hash(user).to_le_bytes());
        frame(field::USERS, user, &mut self.framed);
        self.records += 1;
    }
}

/// Encodes a user in place of what `out` held; one that is too large becomes one that says so.
pub fn encode(user: &ObservedUser<'_>, out: &mut Vec<u8>) {
    out.clear();
    observed::encode(user, out);
    if out.len() > RECORD_BYTES {
        let small = too_large(user, out.len());
        out.clear();
        observed::encode(&small, out);
    }
}

fn frame(key: u32, bytes: &[u8], out: &mut Vec<u8>) {
    encode_key(key, WireType::LengthDelimited, out);
    encode_varint(bytes.len() as u64, out);
    out.extend_from_slice(bytes);
}

/// The record without its bulk: who it is, and why it fails.
fn too_large<'a>(user: &ObservedUser<'a>, bytes: usize) -> ObservedUser<'a> {
    let mut small = ObservedUser::new(user.id, user.presence, user.completeness);
    for attribute in [
        Attribute::UserPrincipalName,
        Attribute::DisplayName,
        Attribute::AccountEnabled,
    ] {
        if let Mention::Value(value) = &user.attributes[attribute as usize]
            && value.len() <= NAME_BYTES
        {
            small.attributes[attribute as usize] = Mention::Value(value.clone());
        }
    }
    let largest = Attribute::ALL
        .into_iter()
        .max_by_key(|attribute| user.value(*attribute).map_or(0, str::len));
    let largest = largest.map_or("", Attribute::name);
    small.problem = Some(
        format!(
            "the record takes {} KiB, more than the {} KiB that are read, most of it {largest}; shorten that in Entra",
            bytes / 1024,
            RECORD_BYTES / 1024
        )
        .into(),
    );
    small
}

#[cfg(test)]
mod tests {
    use contracts::bus::v1::Page;
    use domain::observed::{Completeness, Presence};
    use prost::Message as _;
    use uuid::Uuid;

    use super::*;

    const RUN: RunId = RunId(Uuid::from_u128(9));

    fn user(number: u128, name: &str) -> ObservedUser<'_> {
        let mut user = ObservedUser::new(
            ObjectId(Uuid::from_u128(number)),
            Presence::Present,
            Completeness::Whole,
        );
        user.attributes[Attribute::DisplayName as usize] = Mention::Value(name.into());
        user
    }

    fn unpack(message: &Message) -> Page {
        let bytes = bus::decompress(&message.payload, 2 * BYTES).unwrap();
        Page::decode(bytes).unwrap()
    }

    #[test]
    fn prost_reads_what_we_write() {
        let mut packer = Packer::new(RUN, 3);
        assert!(packer.add(Source::Listing, &user(1, "Zoë")).unwrap().is_none());
        assert!(
            packer
                .add_unusable(Source::Listing, "the id is a number")
                .unwrap()
                .is_none()
        );
        assert!(packer.add(Source::Listing, &user(2, "山田")).unwrap().is_none());
        let message = packer.flush().unwrap().unwrap();
        assert_eq!((message.number, message.records), (1, 3));
        let page = unpack(&message);
        assert_eq!(page.run_id, RUN.0.as_bytes()[..]);
        assert_eq!(
            (page.attempt, page.number, page.source()),
            (3, 1, Source::Listing)
        );
        assert_eq!(page.object_ids[16..], Uuid::from_u128(2).as_bytes()[..]);
        assert_eq!(page.unusable, ["the id is a number"]);
        for (wire, hash) in page.users.iter().zip(&page.hashes) {
            assert_eq!(observed::hash(wire), *hash);
        }
        let second =
            observed::decode(ObjectId(Uuid::from_u128(2)), Completeness::Whole, &page.users[1]).unwrap();
        assert_eq!(second, user(2, "山田"));
        assert!(packer.flush().unwrap().is_none(), "nothing is left");
    }

    #[test]
    fn an_object_that_came_twice_is_told() {
        let pack = |numbers: &[u128]| {
            let mut packer = Packer::new(RUN, 1);
            for number in numbers {
                packer.add(Source::Listing, &user(number << 64, "x")).unwrap();
            }
            packer.flush().unwrap();
            packer.repeats()
        };
        assert!(!pack(&[]));
        assert!(!pack(&[3, 1, 2]));
        assert!(pack(&[3, 1, 2, 3]));
    }

    #[test]
    fn a_message_is_cut_by_count_by_bytes_and_by_source() {
        let mut packer = Packer::new(RUN, 1);
        for number in 0..RECORDS {
            assert!(
                packer
                    .add(Source::Listing, &user(number as u128, "x"))
                    .unwrap()
                    .is_none()
            );
        }
        let first = packer.add(Source::Listing, &user(7, "x")).unwrap().unwrap();
        assert_eq!((first.number, unpack(&first).users.len()), (1, RECORDS));

        let long = "y".repeat(BYTES * 3 / 10);
        for number in [8, 9, 10] {
            assert!(
                packer
                    .add(Source::Listing, &user(number, &long))
                    .unwrap()
                    .is_none()
            );
        }
        let second = packer.add(Source::Listing, &user(12, &long)).unwrap().unwrap();
        assert_eq!((second.number, second.records), (2, 4));

        let third = packer.add(Source::DeletedItems, &user(11, "x")).unwrap().unwrap();
        assert_eq!((third.number, unpack(&third).source()), (3, Source::Listing));
        let fourth = packer.flush().unwrap().unwrap();
        assert_eq!(unpack(&fourth).source(), Source::DeletedItems);
        assert_eq!(unpack(&fourth).object_ids[..], *Uuid::from_u128(11).as_bytes());
    }

    #[test]
    fn a_record_that_is_too_large_keeps_its_name_and_says_why_it_fails() {
        let aliases = "smtp:a@contoso.com\n".repeat(20_000);
        let mut large = user(1, "Zoë");
        large.attributes[Attribute::ProxyAddresses as usize] = Mention::Value(aliases.as_str().into());
        let mut packer = Packer::new(RUN, 1);
        packer.add(Source::Listing, &large).unwrap();
        let page = unpack(&packer.flush().unwrap().unwrap());
        let kept = observed::decode(large.id, Completeness::Whole, &page.users[0]).unwrap();
        assert_eq!(kept.value(Attribute::DisplayName), Some("Zoë"));
        assert_eq!(kept.value(Attribute::ProxyAddresses), None);
        let problem = kept.problem.unwrap();
        assert!(
            problem.contains("371 KiB") && problem.contains("proxyAddresses"),
            "{problem}"
        );
    }
}
