//! A newtype for every identifier, so that four UUIDs in a row can't change places.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident;)*) => {$(
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub Uuid);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self.0)
            }
        }

        impl FromStr for $name {
            type Err = uuid::Error;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                text.parse().map(Self)
            }
        }
    )*};
}

ids! {
    /// One customer; organizations separate everything.
    OrganizationId;
    /// A named app credential in Entra.
    CredentialId;
    /// One link to one Entra tenant.
    ConnectionId;
    /// An Entra tenant (directory).
    TenantId;
    /// An object in Entra: user, group or device. Immutable, never reused.
    ObjectId;
    /// One named rule set under a connection.
    MappingId;
    /// When a connection's runs come by themselves.
    ScheduleId;
    /// One execution against a connection.
    RunId;
    /// A person in the register with a login.
    AccountId;
    /// A held or manual removal awaiting a person.
    ReviewId;
    /// A bell entry.
    NoticeId;
    /// One mail or webhook to one recipient.
    DeliveryId;
    /// An API token (not its secret).
    TokenId;
    /// A committed event awaiting its publication.
    EventId;
}
