//! What is behind a failure and what to do about it, for people (C8, graph-facts §1.2, §8).

use std::fmt;

use crate::error::Error;

/// What is behind a failure.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cause {
    /// The client secret is wrong.
    WrongSecret,
    /// The client secret has expired.
    ExpiredSecret,
    /// The tenant has no such app.
    UnknownApp,
    /// There is no such tenant.
    UnknownTenant,
    /// The tenant or the app lives in another Microsoft cloud.
    WrongCloud,
    /// The app has been switched off.
    AppDisabled,
    /// An admin has not consented yet.
    ConsentRequired,
    /// Entra does not know what the token is asked for.
    BadScope,
    /// No secret and no certificate was sent.
    MissingCredential,
    /// The certificate or its signature is not accepted.
    BadCertificate,
    /// The app is registered as a public client, or asked in a way that its kind does not allow.
    PublicClient,
    /// User name and password are not accepted, or the user may not sign in.
    UserSignIn,
    /// The user has to confirm the sign-in by a second factor.
    SecondFactor,
    /// The code or token of an earlier sign-in has ended.
    NewSignIn,
    /// Conditional access blocks the app.
    ConditionalAccess,
    /// Too many calls.
    Throttled,
    /// No answer.
    Unreachable,
    /// The app lacks an application permission.
    MissingPermission {
        /// Its name in Entra.
        permission: &'static str,
    },
    /// The token is another tenant's.
    WrongTenant,
    /// Microsoft's side; it may pass.
    Transient,
    /// Anything else.
    Other,
}

/// A failure explained.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// What is behind it.
    pub cause: Cause,
    /// One sentence: what is wrong.
    pub summary: String,
    /// One sentence: what to do.
    pub next_step: String,
}

impl Cause {
    /// The cause of a refused sign-in, by its AADSTS number, else by its OAuth error.
    pub fn of_sign_in(error: &str, aadsts: Option<u32>) -> Self {
        aadsts.and_then(of_number).unwrap_or_else(|| of_error(error))
    }

    /// Whether it may be over without anyone acting.
    pub fn may_pass(self) -> bool {
        matches!(self, Self::Throttled | Self::Unreachable | Self::Transient)
    }

    /// Whether it lies in the client secret, so that another one may serve.
    pub const fn is_of_the_secret(self) -> bool {
        matches!(self, Self::WrongSecret | Self::ExpiredSecret)
    }

    /// A name for programs.
    pub const fn name(self) -> &'static str {
        match self {
            Self::WrongSecret => "wrongSecret",
            Self::ExpiredSecret => "expiredSecret",
            Self::UnknownApp => "unknownApp",
            Self::UnknownTenant => "unknownTenant",
            Self::WrongCloud => "wrongCloud",
            Self::AppDisabled => "appDisabled",
            Self::ConsentRequired => "consentRequired",
            Self::BadScope => "badScope",
            Self::MissingCredential => "missingCredential",
            Self::BadCertificate => "badCertificate",
            Self::PublicClient => "publicClient",
            Self::UserSignIn => "userSignIn",
            Self::SecondFactor => "secondFactor",
            Self::NewSignIn => "newSignIn",
            Self::ConditionalAccess => "conditionalAccess",
            Self::Throttled => "throttled",
            Self::Unreachable => "unreachable",
            Self::MissingPermission { .. } => "missingPermission",
            Self::WrongTenant => "wrongTenant",
            Self::Transient => "transient",
            Self::Other => "other",
        }
    }

    fn summary(self) -> String {
        let text = match self {
            Self::WrongSecret => "The client secret is wrong.",
            Self::ExpiredSecret => "The client secret has expired.",
            Self::UnknownApp => "The tenant has no app with this client id.",
            Self::UnknownTenant => "There is no tenant with this id in this cloud.",
            Self::WrongCloud => "The tenant or the app lives in another Microsoft cloud.",
            Self::AppDisabled => "The app is disabled in the tenant.",
            Self::ConsentRequired => "An admin of the tenant has not consented to the app's permissions.",
            Self::BadScope => "Entra does not know the Graph address that the token was asked for.",
            Self::MissingCredential => "Entra received no client secret.",
            Self::BadCertificate => "Entra does not accept the certificate or its signature.",
            Self::PublicClient => "The app is registered as a public client, which can't use a secret.",
            Self::UserSignIn => "Entra does not accept the user name and password.",
            Self::SecondFactor => {
                "The user has to confirm the sign-in by a second factor, which a service can't."
            }
            Self::NewSignIn => "The earlier sign-in has ended.",
            Self::ConditionalAccess => "A conditional access policy blocks the app.",
            Self::Throttled => "Microsoft throttles the app: too many calls in a short time.",
            Self::Unreachable => "Microsoft's service can't be reached from here.",
            Self::MissingPermission { permission } => {
                return format!("The app lacks the application permission {permission}.");
            }
            Self::WrongTenant => "The credential signs in to another tenant than the connection's.",
            Self::Transient => "Microsoft's service has a passing fault.",
            Self::Other => "Microsoft's service did not do what was asked of it.",
        };
        text.to_owned()
    }

    fn next_step(self) -> String {
        let text = match self {
            Self::WrongSecret => {
                "In Entra, under the app's Certificates & secrets, copy the secret's Value, not its Secret ID; \
                 make a new one where the value is no longer shown."
            }
            Self::ExpiredSecret => {
                "In Entra, under the app's Certificates & secrets, make a new client secret and enter its value here."
            }
            Self::UnknownApp => {
                "Compare the client id with the app's Application (client) ID and the tenant id with the tenant's; \
                 an app of another tenant needs an admin's consent first."
            }
            Self::UnknownTenant => {
                "Compare the tenant id with Entra's overview page, and check the connection's cloud."
            }
            Self::WrongCloud => "Choose the connection's cloud (global, usGov, usGovDod, china) anew.",
            Self::AppDisabled => {
                "In Entra, under Enterprise applications, switch on \"Enabled for users to sign in\"."
            }
            Self::ConsentRequired => {
                "Have an admin press \"Grant admin consent\" under the app's API permissions."
            }
            Self::BadScope => "Check the connection's cloud, or its graphUrl.",
            Self::MissingCredential => "Enter the client secret of the credential again.",
            Self::BadCertificate => {
                "Check that this certificate is registered with the app, and this machine's clock."
            }
            Self::PublicClient => {
                "In Entra, under the app's Authentication, register it as a web (confidential) app, or make a new one."
            }
            Self::UserSignIn => "Check the user in Entra, or use a client secret instead of a user.",
            Self::SecondFactor => "Use a client secret instead of a user.",
            Self::NewSignIn => "Sign in again.",
            Self::ConditionalAccess => {
                "Ask who keeps the tenant's conditional access policies to allow this app from this address."
            }
            Self::Throttled => {
                "Wait; runs go on by themselves. If it stays, see which other jobs use the same app."
            }
            Self::Unreachable => {
                "Check this machine's network, DNS, proxy and firewall towards the host, and the connection's addresses."
            }
            Self::MissingPermission { permission } => {
                return format!(
                    "In Entra, under the app's API permissions, add Microsoft Graph, Application permissions, \
                     {permission}, and grant admin consent; then test again."
                );
            }
            Self::WrongTenant => "Correct the tenant id of the connection or choose the right credential.",
            Self::Transient => "Try again in some minutes; give Microsoft's support the ids if it stays.",
            Self::Other => "Read the message; give Microsoft's support the ids if it does not help.",
        };
        text.to_owned()
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl From<Cause> for Advice {
    fn from(cause: Cause) -> Self {
        Self {
            cause,
            summary: cause.summary(),
            next_step: cause.next_step(),
        }
    }
}

impl fmt::Display for Advice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.summary, self.next_step)
    }
}

impl Error {
    /// What is behind it.
    pub fn cause(&self) -> Cause {
        match self {
            Self::SignIn(failure) => failure.cause,
            Self::Throttled { .. } => Cause::Throttled,
            Self::Unreachable { .. } => Cause::Unreachable,
            Self::Denied { permission, .. } => Cause::MissingPermission { permission },
            Self::Blocked { .. } => Cause::ConditionalAccess,
            Self::Unauthorized { answer } if answer.has_code("Authorization_IdentityNotFound") => {
                Cause::UnknownApp
            }
            Self::WrongTenant { .. } => Cause::WrongTenant,
            Self::RestartListing { reason, .. } => reason.cause(),
            Self::Unavailable { .. }
            | Self::ExpiredPage { .. }
            | Self::Resync { .. }
            | Self::RepeatedLink { .. }
            | Self::TooManyPages { .. }
            | Self::TooManyRestarts { .. } => Cause::Transient,
            Self::NotEntra { .. }
            | Self::Unauthorized { .. }
            | Self::Refused { .. }
            | Self::Redirected { .. }
            | Self::ForeignLink { .. }
            | Self::Malformed { .. }
            | Self::Unexpected { .. }
            | Self::TooLarge { .. }
            | Self::Broken
            | Self::Cancelled => Cause::Other,
        }
    }

    /// What is wrong and what to do about it.
    pub fn advice(&self) -> Advice {
        let cause = self.cause();
        if let Self::NotEntra { .. } | Self::Redirected { .. } | Self::ForeignLink { .. } = self {
            return Advice {
                cause,
                summary: "What answers is not Microsoft's service, or something stands between.".into(),
                next_step: "Check the connection's loginUrl, graphUrl and tokenUrl, and proxies on the way."
                    .into(),
            };
        }
        Advice::from(cause)
    }
}

/// The table of graph-facts §1.2.
fn of_number(aadsts: u32) -> Option<Cause> {
    Some(match aadsts {
        7_000_215 => Cause::WrongSecret,
        7_000_222 => Cause::ExpiredSecret,
        700_016 => Cause::UnknownApp,
        90_002 | 9_001_023 => Cause::UnknownTenant,
        90_038 | 900_432 | 900_382 => Cause::WrongCloud,
        7_000_218 => Cause::MissingCredential,
        700_025 => Cause::PublicClient,
        700_027 | 50_012 | 50_013 | 500_133 => Cause::BadCertificate,
        7_000_112 | 70_001 => Cause::AppDisabled,
        70_011 | 28_002 | 700_022 | 700_023 | 500_011 => Cause::BadScope,
        65_001 | 65_004 | 650_056 | 650_057 => Cause::ConsentRequired,
        50_126 | 50_034 | 50_053 | 50_055 | 50_057 | 50_056 => Cause::UserSignIn,
        50_072 | 50_074 | 50_076 | 50_079 | 50_158 => Cause::SecondFactor,
        53_000..=53_004 | 530_032 | 530_035 => Cause::ConditionalAccess,
        50_196 => Cause::Throttled,
        90_006 | 90_012 | 90_024 | 90_033 | 50_033 | 90_090 | 90_055 => Cause::Transient,
        54_005 | 70_008 | 700_082 | 50_173 => Cause::NewSignIn,
        _ => return None,
    })
}

/// For numbers that are not in the table. `invalid_client` alone does not tell a wrong secret from an expired one.
fn of_error(error: &str) -> Cause {
    match error {
        "invalid_client" => Cause::WrongSecret,
        "unauthorized_client" => Cause::UnknownApp,
        "invalid_scope" | "invalid_resource" => Cause::BadScope,
        "consent_required" => Cause::ConsentRequired,
        "interaction_required" => Cause::SecondFactor,
        "temporarily_unavailable" | "server_error" => Cause::Transient,
        _ => Cause::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_number_of_the_table_has_its_cause() {
        let table: [(&[u32], Cause); 16] = [
            (&[7_000_215], Cause::WrongSecret),
            (&[7_000_222], Cause::ExpiredSecret),
            (&[700_016], Cause::UnknownApp),
            (&[90_002, 9_001_023], Cause::UnknownTenant),
            (&[90_038, 900_432, 900_382], Cause::WrongCloud),
            (&[7_000_218], Cause::MissingCredential),
            (&[700_025], Cause::PublicClient),
            (&[700_027, 50_012, 50_013, 500_133], Cause::BadCertificate),
            (&[7_000_112, 70_001], Cause::AppDisabled),
            (&[70_011, 28_002, 700_023, 500_011], Cause::BadScope),
            (&[65_001, 650_056, 650_057], Cause::ConsentRequired),
            (
                &[50_126, 50_034, 50_053, 50_055, 50_057, 50_056],
                Cause::UserSignIn,
            ),
            (&[50_072, 50_074, 50_076, 50_079, 50_158], Cause::SecondFactor),
            (
                &[53_000, 53_001, 53_002, 53_003, 53_004, 530_032, 530_035],
                Cause::ConditionalAccess,
            ),
            (
                &[90_006, 90_012, 90_024, 90_033, 50_033, 90_090, 90_055],
                Cause::Transient,
            ),
            (&[54_005, 70_008, 700_082, 50_173], Cause::NewSignIn),
        ];
        for (numbers, cause) in table {
            for number in numbers {
                assert_eq!(
                    Cause::of_sign_in("invalid_grant", Some(*number)),
                    cause,
                    "{number}"
                );
            }
        }
        assert_eq!(Cause::of_sign_in("invalid_grant", Some(50_196)), Cause::Throttled);
    }

    #[test]
    fn an_unknown_number_falls_back_on_the_error() {
        let cause = |error| Cause::of_sign_in(error, Some(1));
        assert_eq!(cause("unauthorized_client"), Cause::UnknownApp);
        assert_eq!(cause("temporarily_unavailable"), Cause::Transient);
        assert_eq!(cause("invalid_scope"), Cause::BadScope);
        assert_eq!(cause("brand_new"), Cause::Other);
        assert_eq!(Cause::of_sign_in("", None), Cause::Other);
    }

    #[test]
    fn a_missing_permission_is_named_in_both_sentences() {
        let advice = Advice::from(Cause::MissingPermission {
            permission: "User.Read.All",
        });
        assert!(advice.summary.contains("User.Read.All") && advice.next_step.contains("User.Read.All"));
    }
}
