//! From a stored connection to its directory: addresses, secret, and a token that runs share.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use chrono::{DateTime, Utc};
use domain::id::ConnectionId;
use graph::{AppCredential, Cloud, Endpoints, EndpointsError, Graph, Transport};
use sqlx_free::Loaded;
use store::connection::Connection;
use store::credential::Credential;
use store::{Store, StoreError};
use vault::{OpenError as VaultError, Sealed, Vault};
