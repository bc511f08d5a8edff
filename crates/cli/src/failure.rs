//! Why a command did not do what was asked, and how that is told.

use std::fmt::Write as _;
use std::path::PathBuf;
use std::time::Duration;

use tonic::{Code, Status};
use tonic_types::StatusExt;

use crate::show::escape;
use crate::yaml::section::Problem;

/// Why a command failed. [`Failure::report`] is what people read.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// What was asked for makes no sense as it is; exit code 2.
    #[error("{0}")]
    Usage(String),
    /// Nobody answers at api's address.
    #[error("can't reach api at {url}")]
    Unreachable {
        url: String,
        #[source]
        source: tonic::transport::Error,
    },
    /// Api answered with an error, or the connection to it broke.
    #[error("{}", status.message())]
    Rpc { url: String, status: Box<Status> },
    /// Configuration that can't be read, or that api refused; each with its place.
    #[error("{} problems in the configuration", .0.len())]
    Configuration(Vec<Problem>),
    /// It did not happen, for a reason that has been told already.
    #[error("it did not happen")]
    Told,
    /// It did not happen.
    #[error("{0}")]
    Refused(String),
    /// A file can't be used.
    #[error("can't read {}", path.display())]
    File {
        path: PathBuf,
        #[source]
        source: std::io::Error,
    },
    /// A CSV file can't be read on.
    #[error("can't read {} as CSV", path.display())]
    Csv {
        path: PathBuf,
        #[source]
        source: csv::Error,
    },
    /// The answer can't be shown as JSON.
    #[error("the answer can't be shown as JSON")]
    Json(#[from] contracts::json::JsonError),
    /// The answer can't be written as JSON text.
    #[error("the answer can't be written as JSON")]
    JsonText(#[from] serde_json::Error),
    /// The answer can't be shown as YAML.
    #[error("the answer can't be shown as YAML")]
    Yaml(#[from] serde_saphyr::SerializeError),
    /// Standard output can't be written.
    #[error("can't write to standard output")]
    Output(#[source] std::io::Error),
    /// Ctrl-C can't be listened for.
    #[error("can't listen for Ctrl-C")]
    Signal(#[source] std::io::Error),
}

impl Failure {
    /// The exit code: 2 for usage, 1 for everything else, 0 when whoever read our output has read enough.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => 0,
            _ => 1,
        }
    }

    /// What goes to standard error: `error: …` lines, then the next step where there is one.
    pub fn report(&self) -> String {
        match self {
            Self::Told => String::new(),
            Self::Output(error) if error.kind() == std::io::ErrorKind::BrokenPipe => String::new(),
            Self::Configuration(problems) => {
                let mut text = String::new();
                for problem in problems {
                    let _ = writeln!(text, "error: {}", escape(&problem.to_string()));
                }
                if problems.len() > 1 {
                    let _ = writeln!(text, "{} errors; nothing was applied", problems.len());
                }
                text
            }
            Self::Unreachable { url, source } => unreachable_at(url, source),
            Self::Rpc { url, status } => of_status(url, status),
            other => {
                let lines: Vec<_> = chain(other).lines().map(escape).collect();
                format!("error: {}\n", lines.join("\n       "))
            }
        }
    }
}

/// The error and what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text = format!("{text}: {cause_text}");
        }
        source = cause.source();
    }
    text
}

fn unreachable_at(url: &str, source: &dyn std::error::Error) -> String {
    let advice = if url.starts_with("https") {
        "next step: check ROLLCALL_API, and ROLLCALL_CA when its certificate is your own\n"
    } else {
        "next step: is `make run` up? Its address is in .rollcall/endpoints.json; check ROLLCALL_API\n"
    };
    format!(
        "error: can't reach api at {}: {}\n{advice}",
        escape(url),
        escape(&chain(source))
    )
}

fn of_status(url: &str, status: &Status) -> String {
    // Only a status that was made on this side has a source: the call did not get there, or broke on its way.
    if let Some(source) = std::error::Error::source(status)
        && matches!(status.code(), Code::Unavailable | Code::Unknown | Code::Internal)
    {
        return unreachable_at(url, source);
    }
    let mut text = String::new();
    let details = status.get_error_details();
    let violations = details
        .bad_request()
        .map(|bad| bad.field_violations.as_slice())
        .unwrap_or_default();
    for violation in violations {
        add_line(&mut text, &violation.field, &violation.description);
    }
    let preconditions = details
        .precondition_failure()
        .map(|failed| failed.violations.as_slice());
    for violation in preconditions.unwrap_or_default() {
        add_line(&mut text, &violation.subject, &violation.description);
    }
    if text.is_empty() {
        let message = if status.message().is_empty() {
            status.code().description()
        } else {
            status.message()
        };
        let _ = writeln!(text, "error: {}", escape(message));
    }
    let delay = details.retry_info().and_then(|info| info.retry_delay);
    // Api's messages mostly say it themselves.
    let told = text.contains("ROLLCALL_TOKEN") || text.contains("rollcall ");
    if let Some(step) = next_step(status.code(), delay).filter(|_| !told) {
        let _ = writeln!(text, "next step: {step}");
    }
    text
}

/// `error: what: problem`, or `error: problem` about nothing in particular.
fn add_line(text: &mut String, what: &str, problem: &str) {
    let colon = if what.is_empty() { "" } else { ": " };
    let _ = writeln!(text, "error: {}{colon}{}", escape(what), escape(problem));
}

fn next_step(code: Code, delay: Option<Duration>) -> Option<String> {
    match (code, delay) {
        (_, Some(delay)) => Some(format!("try again in {} s", delay.as_secs().max(1))),
        (Code::Unauthenticated, _) => Some(
            "set ROLLCALL_TOKEN or --token-file; an admin makes tokens with `rollcall token create`"
                .to_owned(),
        ),
        (Code::DeadlineExceeded | Code::Cancelled, _) => {
            Some("try again; api's log says what was slow".to_owned())
        }
        (Code::Unimplemented, _) => Some("api is older than this rollcall; update it".to_owned()),
        (Code::Unavailable, None) => Some("try again; if it stays so, look at api's log".to_owned()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use tonic_types::ErrorDetails;

    use super::*;

    fn report(status: Status) -> String {
        Failure::Rpc {
            url: "http://127.0.0.1:1".to_owned(),
            status: Box::new(status),
        }
        .report()
    }

    #[test]
    fn violations_are_lines_of_their_own() {
        let mut details = ErrorDetails::new();
        details.add_bad_request_violation("connection", "no connection is called \u{1b}[31mred");
        details.add_bad_request_violation("kind", "is missing");
        details.add_precondition_failure_violation("PLAN", "", "the register has moved");
        let status = Status::with_error_details(Code::InvalidArgument, "2 problems", details);
        assert_eq!(
            report(status),
            "error: connection: no connection is called \\u{1b}[31mred\nerror: kind: is missing\nerror: the register has moved\n"
        );
    }

    #[test]
    fn a_status_says_what_to_do_next() {
        let told = report(Status::unauthenticated("the token is not known"));
        assert_eq!(
            told,
            "error: the token is not known\nnext step: set ROLLCALL_TOKEN or --token-file; an admin makes tokens with `rollcall token create`\n"
        );
        let mut details = ErrorDetails::new();
        details.set_retry_info(Some(Duration::from_secs(7)));
        let told = report(Status::with_error_details(
            Code::ResourceExhausted,
            "too many",
            details,
        ));
        assert!(told.ends_with("next step: try again in 7 s\n"), "{told}");
        assert_eq!(
            report(Status::not_found("no run has this id")),
            "error: no run has this id\n"
        );
    }

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let gone = Failure::Output(std::io::ErrorKind::BrokenPipe.into());
        assert_eq!((gone.exit_code(), gone.report().as_str()), (0, ""));
        assert_eq!(Failure::Usage(String::new()).exit_code(), 2);
        assert_eq!(Failure::Refused(String::new()).exit_code(), 1);
    }
}
