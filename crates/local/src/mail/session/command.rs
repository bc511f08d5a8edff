//! What a client says.

/// One command line.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Command {
    Hello {
        extended: bool,
    },
    StartTls,
    Auth {
        mechanism: String,
        initial: Option<String>,
    },
    Mail {
        from: String,
        size: Option<usize>,
    },
    Recipient {
        to: String,
    },
    Data,
    Reset,
    Noop,
    Verify,
    Quit,
    Malformed(&'static str),
    Unknown,
}

impl Command {
    pub(super) fn parse(line: &[u8]) -> Self {
        let line = String::from_utf8_lossy(line);
        let line = line.trim_end();
        let (verb, rest) = line.split_once(' ').unwrap_or((line, ""));
        match verb.to_ascii_uppercase().as_str() {
            "EHLO" => Self::Hello { extended: true },
            "HELO" => Self::Hello { extended: false },
            "STARTTLS" => Self::StartTls,
            "AUTH" => auth(rest),
            "MAIL" => mail(rest),
            "RCPT" => recipient(rest),
            "DATA" => Self::Data,
            "RSET" => Self::Reset,
            "NOOP" => Self::Noop,
            "VRFY" => Self::Verify,
            "QUIT" => Self::Quit,
            _ => Self::Unknown,
        }
    }
}

fn auth(rest: &str) -> Command {
    let mut words = rest.split_whitespace();
    match words.next() {
        Some(mechanism) => Command::Auth {
            mechanism: mechanism.to_ascii_uppercase(),
            // `=` is the empty answer.
            initial: words.next().map(|word| {
                if word == "=" {
                    String::new()
                } else {
                    word.to_owned()
                }
            }),
        },
        None => Command::Malformed("AUTH PLAIN or AUTH LOGIN"),
    }
}

fn mail(rest: &str) -> Command {
    let Some((from, parameters)) = path(rest, "FROM:") else {
        return Command::Malformed("MAIL FROM:<address>");
    };
    let size = parameters.split_whitespace().find_map(|word| {
        let (name, value) = word.split_once('=')?;
        name.eq_ignore_ascii_case("SIZE")
            .then(|| value.parse().unwrap_or(usize::MAX))
    });
    Command::Mail {
        from: from.to_owned(),
        size,
    }
}

fn recipient(rest: &str) -> Command {
    match path(rest, "TO:") {
        Some((to, _)) if !to.is_empty() => Command::Recipient { to: to.to_owned() },
        _ => Command::Malformed("RCPT TO:<address>"),
    }
}

/// The address between the brackets, and the parameters after it.
fn path<'a>(rest: &'a str, prefix: &str) -> Option<(&'a str, &'a str)> {
    let rest = rest.trim_start();
    let start = rest
        .get(..prefix.len())
        .filter(|start| start.eq_ignore_ascii_case(prefix))?;
    rest[start.len()..]
        .trim_start()
        .strip_prefix('<')?
        .split_once('>')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_are_read_in_any_case_and_with_parameters() {
        let mail = |from: &str, size| Command::Mail {
            from: from.into(),
            size,
        };
        for (line, expected) in [
            ("ehlo [127.0.0.1]\r\n", Command::Hello { extended: true }),
            (
                "MAIL FROM:<ann@contoso.com> BODY=8BITMIME SIZE=42\r\n",
                mail("ann@contoso.com", Some(42)),
            ),
            ("mail from: <>\r\n", mail("", None)),
            ("MAIL FROM:<a@b> SIZE=lots\r\n", mail("a@b", Some(usize::MAX))),
            ("MAIL ann\r\n", Command::Malformed("MAIL FROM:<address>")),
            (
                "RCPT TO:<böb@contoso.com>\r\n",
                Command::Recipient {
                    to: "böb@contoso.com".into(),
                },
            ),
            ("RCPT TO:<>\r\n", Command::Malformed("RCPT TO:<address>")),
            (
                "AUTH plain =\r\n",
                Command::Auth {
                    mechanism: "PLAIN".into(),
                    initial: Some(String::new()),
                },
            ),
            (
                "AUTH LOGIN\r\n",
                Command::Auth {
                    mechanism: "LOGIN".into(),
                    initial: None,
                },
            ),
            ("GET / HTTP/1.1\r\n", Command::Unknown),
            ("", Command::Unknown),
        ] {
            assert_eq!(Command::parse(line.as_bytes()), expected, "{line:?}");
        }
    }
}
