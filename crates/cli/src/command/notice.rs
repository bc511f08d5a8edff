//! `notice`: the bell.

use std::time::Duration;

use clap::Subcommand;
use clap::builder::RangedU64ValueParser;
use contracts::v1;
use prost_types::Timestamp;

use crate::api::Api;
use crate::command::Session;
use crate::command::follow::Patience;
use crate::failure::Failure;
use crate::page;
use crate::show::{self, escape};
use crate::table::{Column, Table};
use crate::words;

/// How long `watch` goes on without api before it gives up.
const PATIENCE: Duration = Duration::from_secs(600);
/// How many notices that came while the connection was broken are caught up.
const CATCH_UP: i32 = 100;

/// What to do.
#[derive(Subcommand)]
pub enum Command {
    /// List notices, the newest first
    List {
        /// Only unread ones
        #[arg(long)]
        unread: bool,
        /// At most so many
        #[arg(long, value_name = "N", value_parser = RangedU64ValueParser::<u32>::new().range(1..))]
        limit: Option<u32>,
    },
    /// Print new notices as they come, until Ctrl-C
    #[command(after_help = "With --output json each notice is a JSON object on a line of its own.")]
    Watch,
}

impl Command {
    /// Does it.
    pub async fn run(self, session: &Session) -> Result<(), Failure> {
        match self {
            Self::List { unread, limit } => list(session, unread, limit).await,
            Self::Watch => {
                let api = session.api().await?;
                tokio::select! {
                    ended = watch(session, &api) => ended,
                    stopped = tokio::signal::ctrl_c() => stopped.map_err(Failure::Signal),
                }
            }
        }
    }
}

async fn list(session: &Session, unread_only: bool, limit: Option<u32>) -> Result<(), Failure> {
    let api = session.api().await?;
    let mut unread = 0;
    let (notices, next_page_token) = page::read(limit, async |page_size, page_token| {
        let page = page_of(&api, unread_only, page_size, page_token).await?;
        unread = page.unread;
        Ok((page.notices, page.next_page_token))
    })
    .await?;
    let answer = v1::ListNoticesResponse {
        notices,
        next_page_token,
        unread,
    };
    session.output.answer(&answer, |answer| {
        let mut table = Table::new(&[
            Column::Left("TIME"),
            Column::Left("KIND"),
            Column::Left("READ"),
            Column::Left("CONNECTION"),
            Column::Left("TITLE"),
            Column::Left("RUN"),
        ]);
        for notice in &answer.notices {
            table.row([
                show::time(notice.create_time.as_ref()),
                kind(notice),
                show::flag(notice.read).to_owned(),
                notice.connection.clone(),
                notice.title.clone(),
                notice.run_id.clone(),
            ]);
        }
        format!("{}{} unread\n", table.into_text("No notices."), answer.unread)
    })?;
    page::say_if_cut(&answer.next_page_token, answer.notices.len());
    Ok(())
}

async fn page_of(
    api: &Api,
    unread_only: bool,
    page_size: i32,
    page_token: String,
) -> Result<v1::ListNoticesResponse, Failure> {
    let message = v1::ListNoticesRequest {
        unread_only,
        page_size,
        page_token,
    };
    api.call(message, async |request| api.notices().list_notices(request).await)
        .await
}

/// Streams for ever. After a break, what came meanwhile is read from the list first.
async fn watch(session: &Session, api: &Api) -> Result<(), Failure> {
    let newest = page_of(api, false, 1, String::new()).await?.notices;
    let mut seen = Seen::begin(newest.first());
    let mut patience = Patience::new(PATIENCE);
    let mut broken = false;
    loop {
        let status = match api
            .notices()
            .watch_notices(api.request(v1::WatchNoticesRequest {}))
            .await
        {
            Ok(stream) => {
                if std::mem::take(&mut broken) {
                    catch_up(session, api, &mut seen).await?;
                }
                let mut stream = stream.into_inner();
                loop {
                    match stream.message().await {
                        Ok(Some(update)) => {
                            patience.renew();
                            tell(session, &update, &mut seen)?;
                        }
                        Ok(None) => break None,
                        Err(status) => break Some(status),
                    }
                }
            }
            Err(status) => Some(status),
        };
        broken = true;
        match status {
            Some(status) => patience.endure(api, status).await?,
            None => patience.pause().await,
        }
    }
}

async fn catch_up(session: &Session, api: &Api, seen: &mut Seen) -> Result<(), Failure> {
    let page = page_of(api, false, CATCH_UP, String::new()).await?;
    for notice in page.notices.into_iter().rev() {
        let update = v1::NoticeUpdate {
            notice: Some(notice),
            unread: page.unread,
        };
        tell(session, &update, seen)?;
    }
    Ok(())
}

fn tell(session: &Session, update: &v1::NoticeUpdate, seen: &mut Seen) -> Result<(), Failure> {
    match &update.notice {
        None => {
            eprintln!("{} unread; waiting for new ones, Ctrl-C stops", update.unread);
            Ok(())
        }
        Some(notice) if seen.is_new(notice) => session.output.item(update, |_| {
            let time = show::time(notice.create_time.as_ref());
            format!("{time}  {}  {}\n", kind(notice), escape(&notice.title))
        }),
        Some(_) => Ok(()),
    }
}

/// What has been told: everything up to a time, and by id what was made at just that time.
struct Seen {
    until: Option<(i64, i32)>,
    ids: Vec<String>,
}

impl Seen {
    fn begin(newest: Option<&v1::Notice>) -> Self {
        let mut seen = Self {
            until: None,
            ids: Vec::new(),
        };
        if let Some(notice) = newest {
            seen.is_new(notice);
        }
        seen
    }

    /// Whether it has not been told yet; from now on it has.
    fn is_new(&mut self, notice: &v1::Notice) -> bool {
        let at = notice
            .create_time
            .as_ref()
            .map(|Timestamp { seconds, nanos }| (*seconds, *nanos));
        if at < self.until || self.ids.contains(&notice.id) {
            return false;
        }
        if at > self.until {
            self.ids.clear();
            self.until = at;
        }
        self.ids.push(notice.id.clone());
        true
    }
}

fn kind(notice: &v1::Notice) -> String {
    words::plain(notice.kind().as_str_name(), "NOTICE_KIND_")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_notice_is_told_once() {
        let notice = |id: &str, seconds| v1::Notice {
            id: id.to_owned(),
            create_time: Some(Timestamp { seconds, nanos: 0 }),
            ..v1::Notice::default()
        };
        let mut seen = Seen::begin(Some(&notice("a", 1)));
        assert!(!seen.is_new(&notice("a", 1)));
        assert!(seen.is_new(&notice("b", 1)), "another of the same instant");
        assert!(seen.is_new(&notice("c", 2)));
        assert!(!seen.is_new(&notice("c", 2)) && !seen.is_new(&notice("b", 1)));
    }
}
