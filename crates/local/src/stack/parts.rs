//! What the services stand on, started side by side.

use std::time::{Duration, Instant};

use super::directory::Running;
use super::environment::Smtp;
use super::{Builder, DATABASE, Error, Progress};
use crate::home::{Home, PortBook};
use crate::mail::{self, Login, MailServer};
use crate::nats::{self, Nats};
use crate::postgres::{self, Postgres};
use crate::{Durability, secret};

const MAIL_USER: &str = "rollcall";

pub(super) struct Parts {
    directory: Running,
    pub(super) mail: MailServer,
    pub(super) nats: Option<Nats>,
    pub(super) postgres: Option<Postgres>,
    pub(super) database_url: String,
    pub(super) nats_url: String,
    pub(super) smtp: Smtp,
}

impl Parts {
    pub(super) async fn start(home: &Home, book: &mut PortBook, builder: &Builder) -> Result<Self, Error> {
        let progress = &builder.progress;
        let (postgres, nats, directory, mail) = tokio::try_join!(
            start_postgres(home, book, builder),
            start_nats(home, book, builder),
            start_directory(home, book, builder),
            start_mail(home, book, progress),
        )?;
        let (postgres, database_url) = postgres;
        let (nats, nats_url) = nats;
        let (mail, smtp) = mail;
        note_ports(book, postgres.as_ref(), nats.as_ref(), &mail);
        directory.note_port(book);
        Ok(Self {
            directory,
            mail,
            nats,
            postgres,
            database_url,
            nats_url,
            smtp,
        })
    }

    pub(super) fn directory_url(&self) -> &str {
        &self.directory.url
    }

    /// An error when one of them has ended by itself.
    pub(super) fn check(&mut self) -> Result<(), Error> {
        self.directory.check()?;
        if let Some(nats) = &mut self.nats {
            nats.check()?;
        }
        if let Some(postgres) = &mut self.postgres {
            postgres.check()?;
        }
        Ok(())
    }

    /// Stops them; names what had to be killed.
    pub(super) async fn stop(mut self) -> Result<Vec<String>, Error> {
        let mut killed = Vec::new();
        if !self.directory.stop().await? {
            killed.push("entra-sim".to_owned());
        }
        self.mail.stop().await;
        if let Some(nats) = &mut self.nats
            && !nats.stop().await?
        {
            killed.push("nats-server".to_owned());
        }
        if let Some(postgres) = &mut self.postgres
            && !postgres.stop().await?
        {
            killed.push("PostgreSQL".to_owned());
        }
        Ok(killed)
    }
}

async fn start_postgres(
    home: &Home,
    book: &PortBook,
    builder: &Builder,
) -> Result<(Option<Postgres>, String), Error> {
    if let Some(url) = &builder.database_url {
        (builder.progress)("PostgreSQL: the one that DATABASE_URL names");
        return Ok((None, url.clone()));
    }
    let begun = Instant::now();
    let options = postgres::Options {
        dir: home.path("postgres"),
        log: home.log("postgresql"),
        durability: builder.durability,
        prefer_port: book.last("postgresql"),
        pid_file: Some(home.pid_file("postgresql")),
        scratch: home.scratch().map(Into::into),
    };
    let postgres = Postgres::start(options).await?;
    postgres.access().ensure_database(DATABASE).await?;
    let url = postgres.url(DATABASE);
    let version = postgres.version();
    tell(
        &builder.progress,
        &format!("PostgreSQL {version}"),
        &postgres.address(),
        begun.elapsed(),
    );
    if !postgres.data().starts_with(home.path("postgres")) {
        let data = postgres.data().display();
        (builder.progress)(&format!(
            "  its data are in {data}: its user may not enter this directory"
        ));
    }
    Ok((Some(postgres), url))
}

async fn start_nats(
    home: &Home,
    book: &PortBook,
    builder: &Builder,
) -> Result<(Option<Nats>, String), Error> {
    if let Some(url) = &builder.nats_url {
        (builder.progress)("NATS: the one that NATS_URL names");
        return Ok((None, url.clone()));
    }
    let begun = Instant::now();
    let options = nats::Options {
        dir: home.path("nats"),
        log: home.log("nats-server"),
        durability: builder.durability,
        prefer_port: book.last("nats"),
        pid_file: Some(home.pid_file("nats-server")),
        scratch: home.scratch().map(Into::into),
        member: None,
    };
    let nats = Nats::start(options).await?;
    tell(&builder.progress, "nats-server", &nats.address(), begun.elapsed());
    if builder.durability == Durability::Durable && !nats.syncs_always() {
        (builder.progress)("  older than 2.10: it does not wait for the disk before each acknowledgement");
    }
    let url = nats.url();
    Ok((Some(nats), url))
}

async fn start_directory(home: &Home, book: &PortBook, builder: &Builder) -> Result<Running, Error> {
    let begun = Instant::now();
    let directory = Running::start(&builder.directory, home, book).await?;
    tell(
        &builder.progress,
        "Entra tenant (simulated)",
        &directory.url,
        begun.elapsed(),
    );
    Ok(directory)
}

async fn start_mail(home: &Home, book: &PortBook, progress: &Progress) -> Result<(MailServer, Smtp), Error> {
    let begun = Instant::now();
    let login = Login {
        user: MAIL_USER.to_owned(),
        password: home.secret("mail-password", secret::password)?,
    };
    let prefer = mail::Ports {
        smtp: book.last("mail.smtp"),
        smtps: book.last("mail.smtps"),
        http: book.last("mail.http"),
    };
    let options = mail::Options {
        login: Some(login.clone()),
        prefer,
        ..mail::Options::default()
    };
    let mail = MailServer::start(options).await?;
    let authority = home.path("mail-ca.pem");
    std::fs::write(&authority, &mail.identity().authority).map_err(|source| Error::File {
        path: authority.clone(),
        source,
    })?;
    tell(progress, "mail server", &mail.http_url(), begun.elapsed());
    let port = mail.ports().smtp.unwrap_or_default();
    let smtp = Smtp {
        port,
        login,
        authority_file: authority.to_string_lossy().into_owned(),
    };
    Ok((mail, smtp))
}

fn note_ports(book: &mut PortBook, postgres: Option<&Postgres>, nats: Option<&Nats>, mail: &MailServer) {
    let mail = mail.ports();
    let ports = [
        ("postgresql", postgres.map(Postgres::port)),
        ("nats", nats.map(Nats::port)),
        ("mail.smtp", mail.smtp),
        ("mail.smtps", mail.smtps),
        ("mail.http", mail.http),
    ];
    for (name, port) in ports {
        if let Some(port) = port {
            book.note(name, port);
        }
    }
}

fn tell(progress: &Progress, what: &str, address: &str, took: Duration) {
    progress(&format!(
        "{what} ready on {address} ({:.1} s)",
        took.as_secs_f64()
    ));
}
