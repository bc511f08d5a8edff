//! What can go wrong while reconciling, and what to do about it.

use store::StoreError;

/// A failed step.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A page that is not one.
    #[error("the page can't be read: {0}")]
    Page(String),
    /// The run's rules can't be had.
    #[error("{0}")]
    Rules(String),
}

impl Error {
    /// Whether trying the same again can help.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Store(error) => error.is_retryable(),
            Self::Page(_) | Self::Rules(_) => false,
        }
    }
}
