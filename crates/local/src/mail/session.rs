//! One SMTP session (RFC 5321; STARTTLS RFC 3207, AUTH RFC 4954, SIZE RFC 1870).

mod command;
mod line;

use std::io;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use super::fault::{Action, Moment};
use super::mailbox::Incoming;
use super::{Encryption, Login, State};
use command::Command;
use line::Line;

const GREETING: &str = "rollcall.localhost ESMTP, keeps everything, delivers nothing";
const MAX_RECIPIENTS: usize = 1_000;
const HANDSHAKE_LIMIT: Duration = Duration::from_secs(10);

/// Talks to one client until it leaves.
pub(super) async fn serve(stream: TcpStream, encryption: Encryption, state: &State) -> io::Result<()> {
    stream.set_nodelay(true)?;
    if encryption == Encryption::FromTheStart {
        return Session::new(encrypt(stream, state).await?, true, state)
            .greet_and_talk()
            .await
            .map(drop);
    }
    match Session::new(stream, false, state).greet_and_talk().await? {
        End::Left => Ok(()),
        // What the client said before is forgotten, what it sent after the command in the same packet too.
        End::StartTls(stream) => Session::new(encrypt(stream, state).await?, true, state)
            .talk()
            .await
            .map(drop),
    }
}

async fn encrypt(stream: TcpStream, state: &State) -> io::Result<tokio_rustls::server::TlsStream<TcpStream>> {
    tokio::time::timeout(HANDSHAKE_LIMIT, state.tls.0.accept(stream)).await?
}

enum End<S> {
    Left,
    StartTls(S),
}

/// What follows a command.
enum Next {
    Say(Reply),
    /// Say it, then close.
    Bye(Reply),
    StartTls,
    /// Close without a word.
    HangUp,
}

#[derive(Debug)]
struct Reply {
    code: u16,
    lines: Vec<String>,
}

struct Session<'a, S> {
    stream: BufReader<S>,
    state: &'a State,
    encrypted: bool,
    greeted: bool,
    user: Option<String>,
    sender: Option<String>,
    recipients: Vec<String>,
}

impl<'a, S: AsyncRead + AsyncWrite + Unpin> Session<'a, S> {
    fn new(stream: S, encrypted: bool, state: &'a State) -> Self {
        Self {
            stream: BufReader::new(stream),
            state,
            encrypted,
            greeted: false,
            user: None,
            sender: None,
            recipients: Vec::new(),
        }
    }

    async fn greet_and_talk(mut self) -> io::Result<End<S>> {
        match self.fault(Moment::Connect, "").await {
            None => self.say(&reply(220, GREETING)).await?,
            Some(Next::Say(refusal)) => return self.say(&refusal).await.map(|()| End::Left),
            Some(_) => return Ok(End::Left),
        }
        self.talk().await
    }

    async fn talk(mut self) -> io::Result<End<S>> {
        loop {
            let next = match line::read(&mut self.stream, line::COMMAND).await? {
                Line::Text(line) => self.obey(Command::parse(&line)).await?,
                Line::TooLong => Next::Say(reply(500, "line too long")),
                Line::End => Next::HangUp,
            };
            match next {
                Next::Say(reply) => self.say(&reply).await?,
                Next::Bye(reply) => return self.say(&reply).await.map(|()| End::Left),
                Next::StartTls => {
                    self.say(&reply(220, "go ahead")).await?;
                    return Ok(End::StartTls(self.stream.into_inner()));
                }
                Next::HangUp => return Ok(End::Left),
            }
        }
    }

    async fn obey(&mut self, command: Command) -> io::Result<Next> {
        Ok(match command {
            Command::Hello { extended } => self.hello(extended),
            Command::StartTls if self.encrypted => Next::Say(reply(503, "already encrypted")),
            Command::StartTls => Next::StartTls,
            Command::Auth { mechanism, initial } => self.auth(&mechanism, initial).await?,
            Command::Mail { from, size } => self.mail(from, size).await,
            Command::Recipient { to } => self.recipient(to).await,
            Command::Data => self.data().await?,
            Command::Reset => {
                self.forget_envelope();
                Next::Say(reply(250, "forgotten"))
            }
            Command::Noop => Next::Say(reply(250, "nothing done")),
            Command::Verify => Next::Say(reply(252, "send it and see")),
            Command::Quit => Next::Bye(reply(221, "goodbye")),
            Command::Malformed(why) => Next::Say(reply(501, why)),
            Command::Unknown => Next::Say(reply(500, "command not known")),
        })
    }

    fn hello(&mut self, extended: bool) -> Next {
        self.greeted = true;
        self.forget_envelope();
        if !extended {
            return Next::Say(reply(250, "rollcall.localhost"));
        }
        let mut lines = vec![
            "rollcall.localhost".to_owned(),
            format!("SIZE {}", self.state.options.max_message),
            "8BITMIME".to_owned(),
            "SMTPUTF8".to_owned(),
            "PIPELINING".to_owned(),
        ];
        if self.encrypted {
            lines.extend(
                self.state
                    .options
                    .login
                    .as_ref()
                    .map(|_| "AUTH PLAIN LOGIN".to_owned()),
            );
        } else {
            lines.push("STARTTLS".to_owned());
        }
        Next::Say(Reply { code: 250, lines })
    }

    async fn auth(&mut self, mechanism: &str, initial: Option<String>) -> io::Result<Next> {
        let Some(login) = &self.state.options.login else {
            return Ok(Next::Say(reply(502, "AUTH is not offered")));
        };
        if !self.encrypted {
            return Ok(Next::Say(reply(538, "STARTTLS first")));
        }
        if self.user.is_some() {
            return Ok(Next::Say(reply(503, "already signed in")));
        }
        if let Some(trouble) = self.fault(Moment::Auth, mechanism).await {
            return Ok(trouble);
        }
        let given = match mechanism {
            "PLAIN" => self.plain(initial).await?,
            "LOGIN" => self.login(initial).await?,
            _ => return Ok(Next::Say(reply(504, "PLAIN or LOGIN"))),
        };
        Ok(Next::Say(self.sign_in(login, given)))
    }

    fn sign_in(&mut self, login: &Login, given: Option<Login>) -> Reply {
        match given {
            Some(given) if given == *login => {
                self.user = Some(given.user);
                reply(235, "welcome")
            }
            Some(_) => reply(535, "wrong user or password"),
            None => reply(501, "not understood"),
        }
    }

    async fn plain(&mut self, initial: Option<String>) -> io::Result<Option<Login>> {
        let answer = match initial {
            Some(answer) => answer,
            None => self.ask("").await?,
        };
        let Some(text) = decode(&answer) else {
            return Ok(None);
        };
        let mut parts = text.split('\0').skip(1);
        Ok(parts.next().zip(parts.next()).map(|(user, password)| Login {
            user: user.to_owned(),
            password: password.to_owned(),
        }))
    }

    async fn login(&mut self, initial: Option<String>) -> io::Result<Option<Login>> {
        let user = match initial {
            Some(answer) => answer,
            None => self.ask("Username:").await?,
        };
        let password = self.ask("Password:").await?;
        Ok(decode(&user)
            .zip(decode(&password))
            .map(|(user, password)| Login { user, password }))
    }

    async fn ask(&mut self, what: &str) -> io::Result<String> {
        self.say(&reply(334, &STANDARD.encode(what))).await?;
        match line::read(&mut self.stream, line::COMMAND).await? {
            Line::Text(line) => Ok(String::from_utf8_lossy(&line).trim().to_owned()),
            Line::TooLong => Ok(String::new()),
            Line::End => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }

    async fn mail(&mut self, from: String, size: Option<usize>) -> Next {
        let refusal = if !self.greeted {
            Some(reply(503, "EHLO first"))
        } else if self.state.options.login.is_some() && self.user.is_none() {
            Some(reply(530, "sign in first"))
        } else if self.sender.is_some() {
            Some(reply(503, "one message at a time"))
        } else if size.is_some_and(|size| size > self.state.options.max_message) {
            Some(reply(552, "message too large"))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return Next::Say(refusal);
        }
        if let Some(trouble) = self.fault(Moment::Sender, &from).await {
            return trouble;
        }
        self.sender = Some(from);
        Next::Say(reply(250, "sender taken"))
    }

    async fn recipient(&mut self, to: String) -> Next {
        if self.sender.is_none() {
            return Next::Say(reply(503, "MAIL first"));
        }
        if self.recipients.len() == MAX_RECIPIENTS {
            return Next::Say(reply(452, "too many recipients"));
        }
        if let Some(trouble) = self.fault(Moment::Recipient, &to).await {
            return trouble;
        }
        self.recipients.push(to);
        Next::Say(reply(250, "recipient taken"))
    }

    async fn data(&mut self) -> io::Result<Next> {
        if self.recipients.is_empty() {
            return Ok(Next::Say(reply(503, "RCPT first")));
        }
        self.say(&reply(354, "go ahead, end with a dot")).await?;
        let Some(raw) = line::read_message(&mut self.stream, self.state.options.max_message).await? else {
            self.forget_envelope();
            return Ok(Next::Say(reply(552, "message too large")));
        };
        let text = String::from_utf8_lossy(&raw).into_owned();
        if let Some(trouble) = self.fault(Moment::Message, &text).await {
            self.forget_envelope();
            return Ok(trouble);
        }
        self.keep(raw);
        let trouble = self.fault(Moment::Accepted, &text).await;
        Ok(trouble.unwrap_or_else(|| Next::Say(reply(250, "kept"))))
    }

    fn keep(&mut self, raw: Vec<u8>) {
        self.state.mailbox.put(Incoming {
            from: self.sender.take().unwrap_or_default(),
            to: std::mem::take(&mut self.recipients),
            user: self.user.clone(),
            encrypted: self.encrypted,
            raw,
        });
    }

    fn forget_envelope(&mut self) {
        self.sender = None;
        self.recipients.clear();
    }

    /// What goes wrong at this moment, if anything is to.
    async fn fault(&mut self, at: Moment, said: &str) -> Option<Next> {
        match self.state.faults.strike(at, said)? {
            Action::Reply { code, text } => Some(Next::Say(reply(code, &text))),
            Action::Disconnect => Some(Next::HangUp),
            Action::Delay { milliseconds } => {
                tokio::time::sleep(Duration::from_millis(milliseconds)).await;
                None
            }
        }
    }

    async fn say(&mut self, reply: &Reply) -> io::Result<()> {
        let last = reply.lines.len().saturating_sub(1);
        let line = |(position, line): (usize, &String)| {
            let divider = if position == last { ' ' } else { '-' };
            format!("{}{divider}{line}\r\n", reply.code)
        };
        let text: String = reply.lines.iter().enumerate().map(line).collect();
        self.stream.write_all(text.as_bytes()).await?;
        self.stream.flush().await
    }
}

fn reply(code: u16, text: &str) -> Reply {
    Reply {
        code,
        lines: vec![text.to_owned()],
    }
}

fn decode(base64: &str) -> Option<String> {
    String::from_utf8(STANDARD.decode(base64).ok()?).ok()
}
