//! Why an answer could not be given, and the one table from kind to gRPC and HTTP status.

use std::time::Duration;

use contracts::json::JsonError;
use http::StatusCode;
use store::StoreError;
use tonic::{Code, Status};
use tonic_types::{ErrorDetails, StatusExt};

/// The `domain` of our `ErrorInfo`.
const DOMAIN: &str = "rollcall";
/// When a caller may try again after a passing trouble.
const RETRY_AFTER: Duration = Duration::from_secs(2);

/// Why an answer could not be given. Each says what to do next.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// No valid token came with the call.
    #[error("{0}")]
    Unauthenticated(&'static str),
    /// The token may not do this.
    #[error(
        "the token \"{token}\" is a viewer's; {action} needs an admin's (rollcall token create NAME --role admin)"
    )]
    Forbidden {
        /// The token's name.
        token: String,
        /// What was asked for.
        action: String,
    },
    /// Something in the request can't be.
    #[error("{}", told(.0))]
    Invalid(Vec<Violation>),
    /// Nothing has this name or id.
    #[error("{what} \"{name}\" is not known{hint}")]
    NotFound {
        /// Kind of thing: connection, run, …
        what: &'static str,
        /// What was asked for.
        name: String,
        /// What to do next, beginning with a semicolon; may be empty.
        hint: String,
    },
    /// As things are it can't be done.
    #[error("{message}")]
    Precondition {
        /// A closed word for programs.
        reason: &'static str,
        /// Why, and what to do next.
        message: String,
    },
    /// Another thing has this name, or another request this idempotency key.
    #[error("{0}")]
    Conflict(String),
    /// The same mutation is at work.
    #[error("a request with this idempotency key is still at work; ask again in a moment")]
    AtWork,
    /// Too many attempts.
    #[error("{0}")]
    TooMany(&'static str),
    /// More was sent than is taken.
    #[error("{0}")]
    TooLarge(&'static str),
    /// This process is stopping.
    #[error("this copy of the API is stopping; ask again")]
    Stopping,
    /// The database failed.
    #[error("the database could not be used")]
    Store(#[from] StoreError),
    /// Another service of ours did not give an answer.
    #[error("the {service} did not answer")]
    Upstream {
        /// Which.
        service: &'static str,
        /// What it said.
        #[source]
        status: Box<Status>,
    },
    /// A secret could not be sealed.
    #[error("a secret could not be encrypted")]
    Seal(#[from] vault::SealError),
    /// A stored answer could not be opened.
    #[error("a stored secret could not be decrypted")]
    Open(#[from] vault::OpenError),
    /// Something could not be written as JSON.
    #[error("an audit entry could not be written")]
    Json(#[from] JsonError),
    /// Something of ours is not as it must be.
    #[error("{0}")]
    Internal(&'static str),
}

/// What is wrong with one field of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Path of the field, such as `documents[2].connection.tenantId`.
    pub path: String,
    /// The problem and the next step.
    pub problem: String,
}

/// What a kind of fault is towards callers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// For gRPC.
    pub code: Code,
    /// For the console.
    pub http: StatusCode,
    /// A closed word for programs.
    pub reason: &'static str,
    /// Whether the same may work in a moment.
    pub passing: bool,
}

impl Fault {
    /// One thing that is wrong with one field.
    pub fn invalid(path: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::Invalid(vec![Violation {
            path: path.into(),
            problem: problem.into(),
        }])
    }

    /// The table.
    pub fn kind(&self) -> Kind {
        let (code, http, reason, passing) = match self {
            Self::Unauthenticated(_) => (
                Code::Unauthenticated,
                StatusCode::UNAUTHORIZED,
                "UNAUTHENTICATED",
                false,
            ),
            Self::Forbidden { .. } => (
                Code::PermissionDenied,
                StatusCode::FORBIDDEN,
                "ADMIN_NEEDED",
                false,
            ),
            Self::Invalid(_) => (Code::InvalidArgument, StatusCode::BAD_REQUEST, "INVALID", false),
            Self::NotFound { .. } => (Code::NotFound, StatusCode::NOT_FOUND, "NOT_FOUND", false),
            Self::Precondition { reason, .. } => {
                (Code::FailedPrecondition, StatusCode::CONFLICT, *reason, false)
            }
            Self::Conflict(_) => (Code::AlreadyExists, StatusCode::CONFLICT, "CONFLICT", false),
            Self::AtWork => (Code::Aborted, StatusCode::CONFLICT, "AT_WORK", true),
            Self::TooLarge(_) => (
                Code::ResourceExhausted,
                StatusCode::PAYLOAD_TOO_LARGE,
                "TOO_LARGE",
                false,
            ),
            Self::TooMany(_) => (
                Code::ResourceExhausted,
                StatusCode::TOO_MANY_REQUESTS,
                "TOO_MANY",
                true,
            ),
            Self::Stopping => (
                Code::Unavailable,
                StatusCode::SERVICE_UNAVAILABLE,
                "STOPPING",
                true,
            ),
            Self::Store(error) if error.is_retryable() => (
                Code::Unavailable,
                StatusCode::SERVICE_UNAVAILABLE,
                "DATABASE_AWAY",
                true,
            ),
            Self::Store(StoreError::Duplicate { .. }) => {
                (Code::Aborted, StatusCode::CONFLICT, "CHANGED_MEANWHILE", true)
            }
            Self::Upstream { status, .. } => return of_upstream(status),
            Self::Store(_) | Self::Seal(_) | Self::Open(_) | Self::Json(_) | Self::Internal(_) => (
                Code::Internal,
                StatusCode::INTERNAL_SERVER_ERROR,
                "INTERNAL",
                false,
            ),
        };
        Kind {
            code,
            http,
            reason,
            passing,
        }
    }

    /// What the caller is told. The inside of our own failures stays in the log.
    pub fn told(&self) -> String {
        let kind = self.kind();
        match self {
            Self::Upstream { service, status } if kind.code == Code::Unavailable => {
                let down = format!("the {service} can't be reached; is it running?");
                if status.message().is_empty() {
                    down
                } else {
                    format!("{down} ({})", status.message())
                }
            }
            Self::Upstream { status, .. } if kind.code != Code::Internal => status.message().to_owned(),
            Self::Store(_) if kind.reason == "DATABASE_AWAY" => {
                "the database can't be reached just now; ask again in a moment".to_owned()
            }
            Self::Store(_) if kind.passing => {
                "someone else changed the same thing meanwhile; ask again".to_owned()
            }
            _ if kind.code == Code::Internal => {
                "something went wrong inside Rollcall; the log of api says what".to_owned()
            }
            _ => self.to_string(),
        }
    }

    /// Logs what is our own trouble; a caller's mistakes are only told.
    pub fn log(&self) {
        let kind = self.kind();
        if kind.code == Code::Internal {
            tracing::error!(error = %service::error::chain(self), "a call failed");
        } else if kind.passing {
            tracing::warn!(error = %service::error::chain(self), "a call could not be answered just now");
        }
    }
}

/// What the other service refused is refused; what went wrong inside it went wrong inside.
fn of_upstream(status: &Status) -> Kind {
    let (http, reason, passing) = match status.code() {
        Code::InvalidArgument => (StatusCode::BAD_REQUEST, "INVALID", false),
        Code::NotFound => (StatusCode::NOT_FOUND, "NOT_FOUND", false),
        Code::FailedPrecondition => (StatusCode::CONFLICT, "REFUSED", false),
        Code::Aborted => (StatusCode::CONFLICT, "CHANGED_MEANWHILE", true),
        Code::ResourceExhausted => (StatusCode::TOO_MANY_REQUESTS, "TOO_MANY", true),
        Code::Unavailable | Code::DeadlineExceeded | Code::Cancelled => {
            let http = StatusCode::SERVICE_UNAVAILABLE;
            return Kind {
                code: Code::Unavailable,
                http,
                reason: "SERVICE_AWAY",
                passing: true,
            };
        }
        _ => {
            let http = StatusCode::INTERNAL_SERVER_ERROR;
            return Kind {
                code: Code::Internal,
                http,
                reason: "INTERNAL",
                passing: false,
            };
        }
    };
    Kind {
        code: status.code(),
        http,
        reason,
        passing,
    }
}

impl From<Fault> for Status {
    fn from(fault: Fault) -> Self {
        fault.log();
        let kind = fault.kind();
        let mut details = ErrorDetails::new();
        details.set_error_info(kind.reason, DOMAIN, std::collections::HashMap::new());
        if kind.passing {
            details.set_retry_info(Some(RETRY_AFTER));
        }
        if let Fault::Invalid(violations) = &fault {
            for violation in violations {
                details.add_bad_request_violation(&violation.path, &violation.problem);
            }
        }
        if let Fault::NotFound { what, name, .. } = &fault {
            details.set_resource_info(*what, name, "", fault.to_string());
        }
        if let Fault::Precondition { reason, message } = &fault {
            details.add_precondition_failure_violation(*reason, "", message);
        }
        // What another service of ours says about its refusal is passed on as it is.
        if let Fault::Upstream { status, .. } = &fault
            && kind.code == status.code()
            && status.get_details_error_info().is_some()
        {
            return Self::with_details(kind.code, fault.told(), status.details().to_vec().into());
        }
        Self::with_error_details(kind.code, fault.told(), details)
    }
}

fn told(violations: &[Violation]) -> String {
    let all: Vec<String> = violations
        .iter()
        .map(|violation| format!("{}: {}", violation.path, violation.problem))
        .collect();
    all.join("\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn upstream(code: Code, message: &str) -> Fault {
        Fault::Upstream {
            service: "reconciler",
            status: Box::new(Status::new(code, message)),
        }
    }

    #[test]
    fn violations_come_with_their_paths() {
        let fault = Fault::Invalid(vec![
            Violation {
                path: "documents[2].connection.tenantId".into(),
                problem: "is missing".into(),
            },
            Violation {
                path: "documents[3].mapping.name".into(),
                problem: "is missing".into(),
            },
        ]);
        let status = Status::from(fault);
        assert_eq!(status.code(), Code::InvalidArgument);
        let details = status.get_details_bad_request().unwrap();
        assert_eq!(
            details.field_violations[0].field,
            "documents[2].connection.tenantId"
        );
        assert_eq!(details.field_violations.len(), 2);
        assert!(status.message().contains("documents[3].mapping.name: is missing"));
    }

    #[test]
    fn passing_troubles_say_when_to_try_again() {
        for fault in [
            Fault::Stopping,
            Fault::AtWork,
            Fault::TooMany("slow down"),
            upstream(Code::Unavailable, ""),
        ] {
            let status = Status::from(fault);
            assert!(
                status.get_details_retry_info().unwrap().retry_delay.is_some(),
                "{status:?}"
            );
            assert_eq!(status.get_details_error_info().unwrap().domain, DOMAIN);
        }
        assert!(
            Status::from(Fault::Conflict("x".into()))
                .get_details_retry_info()
                .is_none()
        );
    }

    #[test]
    fn the_inside_of_a_failure_stays_inside() {
        for fault in [
            Fault::Internal("the vault's key is 17"),
            upstream(Code::Internal, "password=hunter2"),
            upstream(Code::Unknown, "password=hunter2"),
        ] {
            let status = Status::from(fault);
            assert_eq!(status.code(), Code::Internal);
            assert!(
                !status.message().contains("17") && !status.message().contains("hunter2"),
                "{status:?}"
            );
        }
    }

    #[test]
    fn what_another_service_refuses_is_passed_on() {
        let status = Status::from(upstream(Code::FailedPrecondition, "the register has moved"));
        assert_eq!(
            (status.code(), status.message()),
            (Code::FailedPrecondition, "the register has moved")
        );
        let away = Status::from(upstream(Code::DeadlineExceeded, ""));
        assert_eq!(away.code(), Code::Unavailable);
        assert!(away.message().contains("reconciler"));
    }
}
