//! What people are told: the bell, and mails with what is attached to them.

use base64::Engine as _;
use contracts::v1::notices_client::NoticesClient;
use contracts::v1::{
    Delivery, ListDeliveriesRequest, ListNoticesRequest, ListNoticesResponse, Notice, NoticeKind,
};
use local::mail::Message;
use tonic::transport::Channel;

use crate::wait::until;
use crate::world::World;

impl World {
    /// The API of the bell.
    pub fn bell(&self) -> NoticesClient<Channel> {
        NoticesClient::new(self.channel())
    }

    /// The bell, newest first.
    pub async fn notices(&self) -> ListNoticesResponse {
        let request = ListNoticesRequest {
            page_size: 100,
            ..ListNoticesRequest::default()
        };
        self.bell()
            .list_notices(self.call(request))
            .await
            .unwrap()
            .into_inner()
    }

    /// Waits for a notice of this kind about this run.
    pub async fn notice(&self, run_id: &str, kind: NoticeKind) -> Notice {
        until(&format!("{kind:?} of {run_id}"), async || {
            let notices = self.notices().await.notices;
            notices
                .into_iter()
                .find(|notice| notice.run_id == run_id && notice.kind() == kind)
        })
        .await
    }

    /// Mails and how they went.
    pub async fn deliveries(&self) -> Vec<Delivery> {
        let request = ListDeliveriesRequest {
            page_size: 100,
            ..ListDeliveriesRequest::default()
        };
        self.bell()
            .list_deliveries(self.call(request))
            .await
            .unwrap()
            .into_inner()
            .deliveries
    }
}

/// The text of the first part of this type in a mail, whatever its encoding.
pub fn part(message: &Message, kind: &str) -> Option<String> {
    part_of(&message.text(), kind)
}

fn part_of(entity: &str, kind: &str) -> Option<String> {
    let (head, body) = entity.split_once("\r\n\r\n")?;
    let head = head.replace("\r\n ", " ").replace("\r\n\t", " ");
    let header = |name: &str| {
        head.split("\r\n")
            .filter_map(|line| line.split_once(':'))
            .find(|(found, _)| found.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.trim().to_owned())
    };
    let content_type = header("content-type").unwrap_or_default();
    if content_type.starts_with("multipart/") {
        let boundary = content_type
            .split("boundary=\"")
            .nth(1)?
            .split('"')
            .next()?
            .to_owned();
        return body
            .split(&format!("--{boundary}"))
            .find_map(|part| part_of(part.trim_start(), kind));
    }
    if !content_type.starts_with(kind) {
        return None;
    }
    let encoding = header("content-transfer-encoding")
        .unwrap_or_default()
        .to_ascii_lowercase();
    let body = body.strip_suffix("\r\n").unwrap_or(body);
    let bytes = match encoding.as_str() {
        "base64" => {
            let plain: String = body.split_whitespace().collect();
            base64::engine::general_purpose::STANDARD.decode(plain).unwrap()
        }
        "quoted-printable" => unquote(body),
        _ => body.as_bytes().to_vec(),
    };
    Some(String::from_utf8(bytes).unwrap())
}

/// RFC 2045, 6.7.
fn unquote(text: &str) -> Vec<u8> {
    let text = text.replace("=\r\n", "");
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let code = (*first == b'=').then(|| after.get(..2)).flatten();
        let byte = code.and_then(|code| u8::from_str_radix(std::str::from_utf8(code).ok()?, 16).ok());
        match byte {
            Some(byte) => {
                bytes.push(byte);
                rest = &after[2..];
            }
            None => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_found_and_decoded() {
        let mail = "Subject: x\r\nContent-Type: multipart/mixed;\r\n boundary=\"b\"\r\n\r\n--b\r\n\
                    Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n\
                    caf=C3=A9 a=\r\nb=3Dc\r\n--b\r\nContent-Type: text/csv\r\nContent-Transfer-Encoding: base64\r\n\r\n\
                    YSxi\r\n--b--\r\n";
        assert_eq!(part_of(mail, "text/plain").unwrap(), "café ab=c");
        assert_eq!(part_of(mail, "text/csv").unwrap(), "a,b");
        assert_eq!(part_of(mail, "text/html"), None);
    }
}
