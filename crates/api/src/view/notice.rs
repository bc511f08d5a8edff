//! The bell and the mails.

use contracts::v1;
use store::delivery_list::{Mail, State};
use store::notice_list::Entry;

use super::time;

/// A bell entry.
pub fn notice(entry: Entry) -> v1::Notice {
    v1::Notice {
        id: entry.id().to_string(),
        kind: kind(&entry.kind).into(),
        run_id: entry.run().map(|run| run.to_string()).unwrap_or_default(),
        title: entry.title,
        body: entry.body,
        connection: entry.connection.unwrap_or_default(),
        create_time: Some(time(entry.created_at)),
        read: entry.read,
    }
}

/// A mail.
pub fn delivery(mail: Mail) -> v1::Delivery {
    v1::Delivery {
        id: mail.id.to_string(),
        recipient: mail.recipient,
        subject: mail.subject,
        state: match mail.state {
            State::Due => v1::DeliveryState::Due,
            State::Sent => v1::DeliveryState::Sent,
            State::Failed => v1::DeliveryState::Failed,
        }
        .into(),
        attempts: mail.attempts,
        last_error: mail.last_error.unwrap_or_default(),
        message_id: mail.message_id,
        run_id: mail.run.map(|run| run.to_string()).unwrap_or_default(),
        create_time: Some(time(mail.created_at)),
        sent_time: mail.sent_at.map(time),
    }
}

/// A kind that this version does not know is shown without one, rather than not at all.
fn kind(key: &str) -> v1::NoticeKind {
    use domain::notice::Kind;
    match Kind::of_key(key) {
        Some(Kind::RunFinished) => v1::NoticeKind::RunFinished,
        Some(Kind::RunFailed) => v1::NoticeKind::RunFailed,
        Some(Kind::ReviewsWaiting) => v1::NoticeKind::ReviewsWaiting,
        Some(Kind::PreviewReady) => v1::NoticeKind::PreviewReady,
        Some(Kind::MailFailed) => v1::NoticeKind::MailFailed,
        Some(Kind::Removed) => v1::NoticeKind::Removed,
        Some(Kind::ConnectionQuarantined) => v1::NoticeKind::ConnectionQuarantined,
        Some(Kind::ConnectionRecovered) => v1::NoticeKind::ConnectionRecovered,
        Some(Kind::CredentialExpires) => v1::NoticeKind::CredentialExpires,
        Some(Kind::FullRunOverdue) => v1::NoticeKind::FullRunOverdue,
        None => v1::NoticeKind::Unspecified,
    }
}
