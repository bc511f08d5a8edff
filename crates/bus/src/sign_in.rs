//! The user and password, or the token, that an address of a broker may hold. The client leaves them to us.

use async_nats::{ConnectOptions, ServerAddr};

/// How we sign in.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum SignIn {
    /// `nats://user:password@host`
    Password(String, String),
    /// `nats://token@host`
    Token(String),
}

impl SignIn {
    /// The one of the first address that has any: the servers of a cluster know the same. `Err` where it is no text.
    pub(crate) fn of(servers: &[ServerAddr]) -> Result<Option<Self>, std::string::FromUtf8Error> {
        let Some((server, user)) = servers
            .iter()
            .find_map(|server| Some((server, server.username()?)))
        else {
            return Ok(None);
        };
        let user = decoded(user)?;
        Ok(Some(match server.password() {
            Some(password) => Self::Password(user, decoded(password)?),
            None => Self::Token(user),
        }))
    }

    pub(crate) fn add_to(self, connect: ConnectOptions) -> ConnectOptions {
        match self {
            Self::Password(user, password) => connect.user_and_password(user, password),
            Self::Token(token) => connect.token(token),
        }
    }
}

/// The text that stands in a URL with `%41` for what may not stand there.
fn decoded(text: &str) -> Result<String, std::string::FromUtf8Error> {
    let mut parts = text.split('%');
    let mut bytes = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        let code = part.get(..2).map(|code| u8::from_str_radix(code, 16));
        if let Some(Ok(byte)) = code {
            bytes.push(byte);
            bytes.extend_from_slice(&part.as_bytes()[2..]);
        } else {
            bytes.push(b'%');
            bytes.extend_from_slice(part.as_bytes());
        }
    }
    String::from_utf8(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(urls: &[&str]) -> Option<(String, Option<String>)> {
        let servers: Vec<ServerAddr> = urls.iter().map(|url| url.parse().unwrap()).collect();
        SignIn::of(&servers).unwrap().map(|found| match found {
            SignIn::Password(user, password) => (user, Some(password)),
            SignIn::Token(token) => (token, None),
        })
    }

    #[test]
    fn an_address_signs_in_with_a_password_a_token_or_not_at_all() {
        assert_eq!(of(&["nats://a:4222"]), None);
        let password = Some("hunter2".to_owned());
        assert_eq!(
            of(&["nats://a:4222", "nats://rollcall:hunter2@b:4222"]),
            Some(("rollcall".to_owned(), password))
        );
        assert_eq!(of(&["nats://s3cret@a:4222"]), Some(("s3cret".to_owned(), None)));
    }

    #[test]
    fn what_may_not_stand_in_a_url_is_read_from_its_code() {
        let password = |url| of(&[url]).unwrap().1.unwrap();
        assert_eq!(password("nats://u:a%40b%2Fc%25@n"), "a@b/c%");
        assert_eq!(password("nats://u:p%C3%A4ss@n"), "päss");
        assert_eq!(password("nats://u:100%@n"), "100%");
    }
}
