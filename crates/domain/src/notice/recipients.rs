//! Who gets the mails.

use std::collections::HashSet;

use crate::account::fold;

/// The recipients of one event, at most.
pub const MAX_RECIPIENTS: usize = 100;

/// Who gets a mail.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Recipients {
    /// Addresses as they were entered, each once, letter case aside. Whether they are addresses shows when one is used.
    pub chosen: Vec<String>,
    /// How many more there would have been.
    pub left_out: usize,
}

/// The addresses of the settings first, then those of the register's admins and owners, up to [`MAX_RECIPIENTS`].
#[must_use]
pub fn recipients<'a>(
    mail_to: impl IntoIterator<Item = &'a str>,
    accounts: impl IntoIterator<Item = &'a str>,
) -> Recipients {
    let mut known = HashSet::new();
    let mut recipients = Recipients::default();
    for address in mail_to.into_iter().chain(accounts).map(str::trim) {
        if address.is_empty() || !known.insert(fold(address)) {
            continue;
        }
        if recipients.chosen.len() < MAX_RECIPIENTS {
            recipients.chosen.push(address.to_owned());
        } else {
            recipients.left_out += 1;
        }
    }
    recipients
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_address_is_taken_once_letter_case_aside() {
        let found = recipients(
            ["Ops@contoso.com", " "],
            ["ops@CONTOSO.com ", "müller@contoso.com", "MÜLLER@contoso.com"],
        );
        assert_eq!(found.chosen, ["Ops@contoso.com", "müller@contoso.com"]);
        assert_eq!(found.left_out, 0);
    }

    #[test]
    fn those_of_the_settings_come_first_and_a_hundred_are_enough() {
        let accounts: Vec<String> = (0..150).map(|n| format!("admin{n}@contoso.com")).collect();
        let found = recipients(["ops@contoso.com"], accounts.iter().map(String::as_str));
        assert_eq!(found.chosen.len(), MAX_RECIPIENTS);
        assert_eq!(found.chosen[0], "ops@contoso.com");
        assert_eq!(found.left_out, 51);
    }
}
