//! A person's word on several records at once: which they are, and why.

use std::str::FromStr;

use crate::fault::{Fault, Violation};

/// Records in one request at most.
const MOST: usize = 1_000;
/// Characters in a reason at most.
const LONGEST_REASON: usize = 1_000;

/// What is wrong with a request, all of it told at once.
#[derive(Debug, Default)]
pub struct Problems(Vec<Violation>);

impl Problems {
    /// Something else that is wrong.
    pub fn add(&mut self, path: impl Into<String>, problem: impl Into<String>) {
        self.0.push(Violation {
            path: path.into(),
            problem: problem.into(),
        });
    }

    /// Looks at the ids in this field; `find` says how to find some.
    pub fn of_ids<T: FromStr>(&mut self, field: &str, ids: &[String], find: &str) {
        if ids.is_empty() {
            self.add(field, format!("is empty; {find}"));
        }
        if ids.len() > MOST {
            self.add(field, "has more than 1000 ids; send several requests");
        }
        for (index, id) in ids.iter().enumerate().take(MOST) {
            if id.parse::<T>().is_err() {
                self.add(format!("{field}[{index}]"), "is not an id (a UUID)");
            }
        }
    }

    /// Looks at the reason, which is kept there.
    pub fn of_reason(&mut self, reason: &str, kept: &str) {
        if reason.trim().is_empty() {
            self.add("reason", format!("is missing; it is kept {kept}"));
        } else if reason.chars().count() > LONGEST_REASON || reason.contains('\0') {
            self.add(
                "reason",
                "is longer than 1000 characters, or holds a null character",
            );
        }
    }

    /// An error, unless all is well.
    pub fn told(self) -> Result<(), Fault> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Fault::Invalid(self.0))
        }
    }
}
