//! Why a run could not be read, in a word for programs and in sentences for people (C8, graph-facts §8).

use bus::{CompressionError, PublishError};
use contracts::observed::DecodeError;
use graph::Advice;
use service::error::chain;
use store::StoreError;
use vault::SealError;

use crate::directory::OpenError;

/// Why a run could not be read.
#[derive(Debug, thiserror::Error)]
pub enum FetchError {
    /// Graph or the token endpoint.
    #[error("the directory could not be read")]
    Graph(#[from] graph::Error),
    /// The connection as it is stored can't be used.
    #[error("the connection can't be used")]
    Open(#[from] OpenError),
    /// The database.
    #[error("the database failed")]
    Store(#[from] StoreError),
    /// The bus took no more pages.
    #[error("the pages could not be published")]
    Publish(#[from] PublishError),
    /// A page could not be packed.
    #[error("a page could not be packed")]
    Pack(#[from] CompressionError),
    /// A change could not be read back from its own wire form.
    #[error("a change could not be merged")]
    Merge(#[from] DecodeError),
    /// The delta link could not be sealed.
    #[error("the delta link could not be sealed")]
    Seal(#[from] SealError),
    /// A part of the work panicked, or the process is ending.
    #[error("the work broke off")]
    BrokenOff(#[from] tokio::task::JoinError),
    /// Someone else has taken the run over.
    #[error("the run is no longer held here")]
    Lost,
    /// It began anew too often.
    #[error("the listing broke off {attempts} times")]
    TooManyAttempts {
        /// How often.
        attempts: u32,
        /// How it broke off last.
        #[source]
        last: graph::Error,
    },
    /// Groups are wanted of a tenant that tells no changes, by which they are read.
    #[error("the tenant offers no delta, by which groups are read")]
    NoGroups,
    /// The run, or its connection, is no longer there.
    #[error("the run's {what} is no longer there")]
    Missing {
        /// What.
        what: &'static str,
    },
}

/// What people and programs are told.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Told {
    /// A closed word, such as `expired_secret`.
    pub cause: String,
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub next_step: String,
}

impl FetchError {
    /// Whether the run is better left to be taken again than failed: what broke is ours, and passing.
    pub fn passes(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Lost => true,
            Self::BrokenOff(error) => error.is_cancelled(),
            _ => false,
        }
    }

    /// What to tell.
    pub fn told(&self) -> Told {
        match self {
            Self::Graph(error) => of_graph(error),
            Self::TooManyAttempts { attempts, last } => {
                let mut told = of_graph(last);
                told.message = format!("The listing broke off {attempts} times. {}", told.message);
                told
            }
            Self::Open(error) => error.told(),
            Self::Publish(_) => self.with(
                "bus_unavailable",
                "Check that NATS and the reconciler are running, then start the run again.",
            ),
            Self::NoGroups => self.with(
                "not_offered",
                "Take the mappings with target groups, and clauses of memberOf and transitiveMemberOf, away from this \
                 connection.",
            ),
            Self::Missing { .. } => self.with("missing", "Start the run again if it is still wanted."),
            Self::Store(_)
            | Self::Pack(_)
            | Self::Merge(_)
            | Self::Seal(_)
            | Self::BrokenOff(_)
            | Self::Lost => self.with(
                "internal",
                "Start the run again; if it fails the same way, report the fetcher's log of this run.",
            ),
        }
    }

    fn with(&self, cause: &str, next_step: &str) -> Told {
        Told {
            cause: cause.to_owned(),
            message: sentence(&chain(self).to_string()),
            next_step: next_step.to_owned(),
        }
    }
}

impl Told {
    /// Message and next step in one text.
    pub fn text(&self) -> String {
        format!("{} {}", self.message, self.next_step)
    }
}

/// Microsoft's side: what is behind it, then what exactly was answered, with the ids that its support asks for.
pub fn of_graph(error: &graph::Error) -> Told {
    let Advice {
        cause,
        summary,
        next_step,
    } = error.advice();
    Told {
        cause: word(cause.name()),
        message: format!("{summary} ({})", chain(error)),
        next_step,
    }
}

/// `wrongSecret` → `wrong_secret`.
fn word(name: &str) -> String {
    let mut word = String::with_capacity(name.len() + 4);
    for c in name.chars() {
        if c.is_ascii_uppercase() {
            word.push('_');
        }
        word.push(c.to_ascii_lowercase());
    }
    word
}

/// With a capital and a full stop.
fn sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(char::to_uppercase);
    first
        .into_iter()
        .flatten()
        .chain(characters)
        .chain(['.'])
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_missing_permission_is_named_with_the_ids_for_support() {
        let answer = Box::new(graph::Answer {
            status: 403,
            codes: vec!["Authorization_RequestDenied".into()],
            message: "Insufficient privileges".into(),
            request_id: Some("7f1e".into()),
            ..graph::Answer::default()
        });
        let told = FetchError::from(graph::Error::Denied {
            permission: "User.Read.All",
            answer,
        })
        .told();
        assert_eq!(told.cause, "missing_permission");
        assert!(
            told.message.contains("User.Read.All") && told.message.contains("7f1e"),
            "{told:?}"
        );
        assert!(told.next_step.contains("grant admin consent"), "{told:?}");
    }

    #[test]
    fn what_is_ours_and_passing_fails_no_run() {
        assert!(FetchError::Lost.passes());
        assert!(FetchError::Store(StoreError::Unavailable(std::io::Error::other("gone").into())).passes());
        let missing = FetchError::Missing { what: "connection" };
        assert!(!missing.passes());
        assert_eq!(missing.told().message, "The run's connection is no longer there.");
    }
}
