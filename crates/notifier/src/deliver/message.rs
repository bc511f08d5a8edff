//! One delivery as an e-mail (RFC 5322).

use chrono::{DateTime, Utc};
use domain::notice::single_line;
use lettre::Message;
use lettre::address::Envelope;
use lettre::message::header::{ContentType, ContentTypeErr, HeaderName, HeaderValue};
use lettre::message::{Attachment as Part, Mailbox, MultiPart};
use store::delivery::Leased;

use super::attachment::NAME;
use super::html;

/// An e-mail, ready for the server.
#[derive(Clone, Debug)]
pub(super) struct Email {
    pub(super) envelope: Envelope,
    pub(super) bytes: Vec<u8>,
}

/// Why a delivery can't become an e-mail. It never will.
#[derive(Debug, thiserror::Error)]
pub(super) enum ComposeError {
    #[error("\"{recipient}\" is not an e-mail address")]
    Recipient {
        recipient: String,
        #[source]
        source: lettre::address::AddressError,
    },
    #[error("\"{}\" holds a control character, as no e-mail address does", single_line(.0))]
    ControlCharacter(String),
    #[error("the mail could not be put together")]
    Build(#[source] lettre::error::Error),
    #[error("the attachment's type is wrong")]
    ContentType(#[source] ContentTypeErr),
}

/// Puts the e-mail together. The same delivery gives the same Message-ID every time.
pub(super) fn compose(
    delivery: &Leased,
    from: &Mailbox,
    attachment: Option<&str>,
    now: DateTime<Utc>,
) -> Result<Email, ComposeError> {
    let mut builder = Message::builder()
        .from(from.clone())
        .to(recipient(&delivery.recipient)?)
        .subject(single_line(&delivery.subject))
        .message_id(Some(delivery.message_id.clone()))
        .date(now.into())
        .raw_header(header("Auto-Submitted", "auto-generated".to_owned()));
    if let Some(run) = delivery.run {
        builder = builder.raw_header(header("X-Rollcall-Run", run.to_string()));
    }
    let text = MultiPart::alternative_plain_html(delivery.body.clone(), html::of_text(&delivery.body));
    let content = match attachment {
        None => text,
        Some(file) => {
            let csv = ContentType::parse("text/csv; charset=utf-8; header=present")
                .map_err(ComposeError::ContentType)?;
            let file = Part::new(NAME.to_owned()).body(file.as_bytes().to_vec(), csv);
            MultiPart::mixed().multipart(text).singlepart(file)
        }
    };
    let message = builder.multipart(content).map_err(ComposeError::Build)?;
    Ok(Email {
        envelope: message.envelope().clone(),
        bytes: message.formatted(),
    })
}

fn recipient(text: &str) -> Result<Mailbox, ComposeError> {
    if text.contains(char::is_control) {
        return Err(ComposeError::ControlCharacter(text.to_owned()));
    }
    text.parse().map_err(|source| ComposeError::Recipient {
        recipient: text.to_owned(),
        source,
    })
}

fn header(name: &'static str, value: String) -> HeaderValue {
    HeaderValue::new(HeaderName::new_from_ascii_str(name), value)
}

#[cfg(test)]
mod tests {
    use domain::id::{DeliveryId, EventId, OrganizationId, RunId};
    use uuid::Uuid;

    use super::*;

    fn delivery() -> Leased {
        Leased {
            id: DeliveryId(Uuid::from_u128(1)),
            lease: Uuid::from_u128(2),
            attempt: 1,
            organization: OrganizationId(Uuid::from_u128(3)),
            event: EventId(Uuid::from_u128(4)),
            run: Some(RunId(Uuid::from_u128(5))),
            recipient: "ops@contoso.com".to_owned(),
            subject: "Rollcall: contoso full run finished: 3 added".to_owned(),
            body: "The full run of contoso has finished.\n\n  added  3\n".to_owned(),
            attach_failed: false,
            holds_password: false,
            message_id: "<01@contoso.com>".to_owned(),
            traceparent: None,
        }
    }

    fn text_of(delivery: &Leased, attachment: Option<&str>) -> Result<String, ComposeError> {
        let from = "Rollcall <rollcall@contoso.com>".parse().unwrap();
        let email = compose(
            delivery,
            &from,
            attachment,
            "2026-11-21T12:00:00Z".parse().unwrap(),
        )?;
        Ok(String::from_utf8(email.bytes).unwrap())
    }

    fn head(text: &str) -> &str {
        text.split_once("\r\n\r\n").unwrap().0
    }

    #[test]
    fn the_headers_say_what_it_is_and_where_it_is_from() {
        let text = text_of(&delivery(), None).unwrap();
        let head: Vec<&str> = head(&text).lines().collect();
        for line in [
            "From: Rollcall <rollcall@contoso.com>",
            "To: ops@contoso.com",
            "Subject: Rollcall: contoso full run finished: 3 added",
            "Message-ID: <01@contoso.com>",
            "Date: Sat, 21 Nov 2026 12:00:00 +0000",
            "Auto-Submitted: auto-generated",
            "X-Rollcall-Run: 00000000-0000-0000-0000-000000000005",
        ] {
            assert!(head.contains(&line), "{line} is not in {head:#?}");
        }
        assert!(text.contains("\r\nThe full run of contoso has finished.\r\n"));
    }

    #[test]
    fn the_csv_goes_along_as_a_file() {
        let text = text_of(&delivery(), Some("upn\r\nada\r\n")).unwrap();
        assert!(text.contains("multipart/mixed"));
        assert!(
            text.contains("Content-Disposition: attachment; filename=\"failed-users.csv\""),
            "{text}"
        );
    }

    #[test]
    fn nothing_from_outside_can_begin_another_header() {
        let mut hostile = delivery();
        hostile.subject = "done\r\nBcc: eve@evil.example\r\n\r\nbody".to_owned();
        let text = text_of(&hostile, None).unwrap();
        assert!(
            !head(&text)
                .lines()
                .any(|line| line.starts_with("Bcc") || line == "body"),
            "{text}"
        );

        hostile.recipient = "ops@contoso.com\r\nBcc: eve@evil.example".to_owned();
        assert!(matches!(
            text_of(&hostile, None),
            Err(ComposeError::ControlCharacter(_))
        ));
        hostile.recipient = "not an address".to_owned();
        assert!(matches!(
            text_of(&hostile, None),
            Err(ComposeError::Recipient { .. })
        ));
    }

    #[test]
    fn names_in_any_script_arrive() {
        let mut delivery = delivery();
        delivery.subject = "Rollcall: Контосо full run finished".to_owned();
        delivery.recipient = "Åsa Øst <asa@contoso.com>".to_owned();
        let text = text_of(&delivery, None).unwrap();
        assert!(text.is_ascii(), "{text}");
        assert!(head(&text).contains("=?utf-8?"));
    }
}
