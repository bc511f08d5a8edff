//! What secrets are sealed as. A value that was sealed as one thing does not open as another.

use store::sealed::Kind;

/// A credential's client secrets, with the credential's id.
pub const CLIENT_SECRET: &str = "credential.client_secret";
/// A delta link, with the connection's id.
pub const DELTA_LINK: &str = "connection.delta_link";
/// The predefined password, with the organization's id.
pub const PREDEFINED_PASSWORD: &str = "password_settings.predefined";
/// A password that is to be mailed, with its row's id.
pub const MAILED_PASSWORD: &str = "password_mail.password";
/// A stored answer with a token's secret, with the token's id.
pub const TOKEN_ANSWER: &str = "idempotency.response";

/// What a kind is sealed as.
pub(crate) const fn of(kind: Kind) -> &'static str {
    match kind {
        Kind::ClientSecret | Kind::NextClientSecret => CLIENT_SECRET,
        Kind::PredefinedPassword => PREDEFINED_PASSWORD,
        Kind::TokenAnswer => TOKEN_ANSWER,
        Kind::FetchedLink | Kind::FetchedGroupsLink | Kind::DeltaLink => DELTA_LINK,
        Kind::MailedPassword => MAILED_PASSWORD,
    }
}
