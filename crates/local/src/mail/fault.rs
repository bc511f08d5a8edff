//! Things that go wrong on demand.

use std::sync::{Mutex, PoisonError};

use serde::{Deserialize, Serialize};

/// When something goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Moment {
    /// Before the greeting.
    Connect,
    /// At AUTH; matched against the mechanism.
    Auth,
    /// At MAIL FROM; matched against the sender.
    Sender,
    /// At RCPT TO; matched against the recipient.
    Recipient,
    /// When the whole message has arrived, before it is kept; matched against its text.
    Message,
    /// When the message is kept and the answer is not sent yet: the window in which a sender cannot know. Matched against the
    /// message's text.
    Accepted,
}

/// What happens then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Answer this instead: 4xx for now, 5xx for good.
    Reply {
        /// The reply code.
        code: u16,
        /// The text after it.
        text: String,
    },
    /// Close the connection without a word.
    Disconnect,
    /// Wait, then go on as usual.
    Delay {
        /// For how long.
        milliseconds: u64,
    },
}

/// One thing to go wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// When.
    pub at: Moment,
    /// Only where what the client said contains this.
    #[serde(default)]
    pub containing: Option<String>,
    /// What.
    pub action: Action,
    /// How often; for ever when `None`.
    #[serde(default)]
    pub times: Option<u32>,
}

impl Fault {
    /// The same thing every time.
    pub fn always(at: Moment, action: Action) -> Self {
        Self {
            at,
            containing: None,
            action,
            times: None,
        }
    }

    /// The next time only.
    pub fn once(at: Moment, action: Action) -> Self {
        Self {
            at,
            containing: None,
            action,
            times: Some(1),
        }
    }

    /// Only where what the client said contains this.
    #[must_use]
    pub fn containing(mut self, text: &str) -> Self {
        self.containing = Some(text.to_owned());
        self
    }
}

#[derive(Debug, Default)]
pub(super) struct Faults(Mutex<Vec<Fault>>);

impl Faults {
    pub(super) fn add(&self, fault: Fault) {
        self.list().push(fault);
    }

    pub(super) fn clear(&self) {
        self.list().clear();
    }

    /// What goes wrong now, if anything: the first fault that fits, counted down.
    pub(super) fn strike(&self, at: Moment, said: &str) -> Option<Action> {
        let mut faults = self.list();
        let fits = |fault: &Fault| {
            fault.at == at && fault.containing.as_ref().is_none_or(|part| said.contains(part))
        };
        let position = faults.iter().position(fits)?;
        let action = faults[position].action.clone();
        if let Some(times) = &mut faults[position].times {
            *times = times.saturating_sub(1);
            if *times == 0 {
                faults.remove(position);
            }
        }
        Some(action)
    }

    fn list(&self) -> std::sync::MutexGuard<'_, Vec<Fault>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_strikes_as_often_as_it_says_and_only_where_it_fits() {
        let faults = Faults::default();
        let full = Action::Reply {
            code: 452,
            text: "mailbox full".into(),
        };
        faults.add(Fault {
            times: Some(2),
            ..Fault::once(Moment::Recipient, full.clone()).containing("bob")
        });

        assert_eq!(faults.strike(Moment::Sender, "bob@contoso.com"), None);
        assert_eq!(faults.strike(Moment::Recipient, "ann@contoso.com"), None);
        assert_eq!(
            faults.strike(Moment::Recipient, "bob@contoso.com"),
            Some(full.clone())
        );
        assert_eq!(faults.strike(Moment::Recipient, "bob@contoso.com"), Some(full));
        assert_eq!(faults.strike(Moment::Recipient, "bob@contoso.com"), None);
    }

    #[test]
    fn faults_have_a_json_form() {
        let json = r#"{"at":"accepted","action":"disconnect","times":1}"#;
        let fault: Fault = serde_json::from_str(json).unwrap();
        assert_eq!(fault, Fault::once(Moment::Accepted, Action::Disconnect));
        assert!(
            serde_json::from_str::<Fault>(r#"{"at":"accepted","action":"disconnect","time":1}"#).is_err()
        );
    }
}
