//! What each service is told: the one place that knows the services' configuration keys.
//!
//! A key `section.name` travels as `ROLLCALL_SECTION__NAME`. The keys themselves are explained in each service's
//! `defaults.toml`; a key that a service does not know keeps it from starting, so a mistake here shows at once.

use super::{Service, tls};
use crate::mail::Login;

/// The sender of the mails of a local Rollcall.
pub const MAIL_FROM: &str = "Rollcall <rollcall@contoso.com>";

/// What services need to know of the rest.
#[derive(Clone)]
pub(super) struct Surroundings {
    pub(super) database_url: String,
    pub(super) nats_url: String,
    pub(super) vault_keys: String,
    pub(super) admin_token: String,
    pub(super) fetcher_url: String,
    pub(super) reconciler_url: String,
    pub(super) console_url: String,
    pub(super) smtp: Smtp,
    /// TLS between services, if they are to speak it.
    pub(super) tls: Option<tls::Files>,
    /// Settings on top, by service and key.
    pub(super) extra: Vec<(Service, String, String)>,
    /// Variables on top that are no settings.
    pub(super) variables: Vec<(String, String)>,
}

/// The mail server.
#[derive(Clone)]
pub(super) struct Smtp {
    pub(super) port: u16,
    pub(super) login: Login,
    /// The PEM file of the authority to trust.
    pub(super) authority_file: String,
}

/// The addresses that one copy of a service gets.
#[derive(Debug, Clone)]
pub(super) struct Listen {
    pub(super) grpc: String,
    pub(super) console: Option<String>,
}

/// The variables of one copy of a service.
pub(super) fn of(service: Service, listen: &Listen, around: &Surroundings) -> Vec<(String, String)> {
    let mut settings = Settings::default();
    settings.set("grpc.listen", &listen.grpc);
    settings.set("log.format", "pretty");
    settings.set("database.url", &around.database_url);
    settings.set("nats.url", &around.nats_url);
    match service {
        Service::Api => api(&mut settings, listen, around),
        Service::Fetcher | Service::Reconciler => settings.set("vault.keys", &around.vault_keys),
        Service::Notifier => notifier(&mut settings, around),
    }
    for (key, value) in around.tls.iter().flat_map(|files| files.settings(service)) {
        settings.set(&key, &value);
    }
    for (_, key, value) in around.extra.iter().filter(|(wanted, ..)| *wanted == service) {
        settings.set(key, value);
    }
    settings
        .0
        .into_iter()
        .chain(around.variables.iter().cloned())
        .collect()
}

fn api(settings: &mut Settings, listen: &Listen, around: &Surroundings) {
    settings.set("vault.keys", &around.vault_keys);
    settings.set("fetcher.url", &around.fetcher_url);
    settings.set("reconciler.url", &around.reconciler_url);
    settings.set("bootstrap.token", &around.admin_token);
    if let Some(console) = &listen.console {
        settings.set("console.listen", console);
    }
}

fn notifier(settings: &mut Settings, around: &Surroundings) {
    let smtp = &around.smtp;
    settings.set("vault.keys", &around.vault_keys);
    settings.set("console.url", &around.console_url);
    settings.set("smtp.host", "127.0.0.1");
    settings.set("smtp.port", &smtp.port.to_string());
    settings.set("smtp.tls", "starttls");
    settings.set("smtp.user", &smtp.login.user);
    settings.set("smtp.password", &smtp.login.password);
    settings.set("smtp.ca_file", &smtp.authority_file);
    settings.set("smtp.from", MAIL_FROM);
}

#[derive(Default)]
struct Settings(Vec<(String, String)>);

impl Settings {
    fn set(&mut self, key: &str, value: &str) {
        let name = format!("ROLLCALL_{}", key.to_uppercase().replace('.', "__"));
        self.0.retain(|(known, _)| *known != name);
        self.0.push((name, value.to_owned()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_on_top_replaces_ours() {
        let mut settings = Settings::default();
        settings.set("database.url", "ours");
        settings.set("database.url", "theirs");
        assert_eq!(
            settings.0,
            [("ROLLCALL_DATABASE__URL".to_owned(), "theirs".to_owned())]
        );
    }
}
