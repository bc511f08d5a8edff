//! What an address in a connection must look like, so that no secret or token leaves in the clear.

use url::{Host, Url};

/// The address without a trailing slash, when it is `scheme://host[:port]` and nothing more.
pub fn origin(text: &str) -> Result<String, String> {
    let url = address(text)?;
    if url.path() != "/" || url.query().is_some() {
        return Err("has more than scheme://host[:port]; take the path and what follows it away".to_owned());
    }
    Ok(url.as_str().trim_end_matches('/').to_owned())
}

/// An address that a secret may be sent to: https, or http to this machine.
pub fn address(text: &str) -> Result<Url, String> {
    let url = Url::parse(text).map_err(|_| "is not an address; write it as https://host".to_owned())?;
    match url.scheme() {
        "https" => {}
        "http" if is_loopback(&url) => {}
        "http" => {
            return Err(
                "uses plain http, which is allowed to this machine only (localhost); use https".to_owned(),
            );
        }
        _ => return Err("does not begin with https://".to_owned()),
    }
    if !url.username().is_empty() || url.password().is_some() {
        return Err(
            "holds a user name or password; take it out, the credential has its own document".to_owned(),
        );
    }
    if url.fragment().is_some() {
        return Err("has a # part; take it away".to_owned());
    }
    Ok(url)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_is_scheme_host_and_port() {
        assert_eq!(
            origin("https://graph.microsoft.com/").unwrap(),
            "https://graph.microsoft.com"
        );
        assert_eq!(origin("http://127.0.0.1:8080").unwrap(), "http://127.0.0.1:8080");
        assert_eq!(origin("http://[::1]:8080").unwrap(), "http://[::1]:8080");
    }

    #[test]
    fn plain_http_goes_to_this_machine_only() {
        assert!(origin("http://localhost:8080").is_ok());
        for bad in [
            "http://graph.microsoft.com",
            "http://localhost.evil.example",
            "http://10.0.0.1",
        ] {
            assert!(origin(bad).unwrap_err().contains("plain http"), "{bad}");
        }
    }

    #[test]
    fn everything_else_is_refused_with_the_next_step() {
        for bad in [
            "graph.microsoft.com",
            "ftp://host",
            "https://host/v1.0",
            "https://host?x=1",
            "https://u:p@host",
            "https://host#x",
            "",
        ] {
            assert!(origin(bad).is_err(), "{bad}");
        }
        assert!(address("https://login.microsoftonline.com/t/oauth2/v2.0/token").is_ok());
    }
}
