//! What all pages share: who is signed in, the bell, what waits.

use store::{notice_list, review_list};

use super::respond::Problem;
use super::session::Session;
use super::{Console, assets};

/// The part of the console that a page belongs to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Section {
    /// Connections and the last runs.
    Overview,
    /// Runs.
    Runs,
    /// Removals that wait.
    Reviews,
    /// The system log.
    Log,
    /// The bell.
    Notices,
}

/// What all pages share.
pub struct Layout {
    /// The files.
    pub assets: assets::Links,
    /// The token that was used to sign in.
    pub who: String,
    /// Whether it may change things.
    pub admin: bool,
    /// What each form brings back.
    pub form_token: String,
    /// Unread notices.
    pub unread: u32,
    /// Reviews that are open.
    pub waiting: u32,
    section: Section,
}

impl Layout {
    /// For a page of this section.
    pub async fn load(console: &Console, session: &Session, section: Section) -> Result<Self, Problem> {
        let mut tx = console.app.store.begin("console.layout").await?;
        let unread = notice_list::unread(tx.connection(), session.caller.reader()).await?;
        let waiting = review_list::open(tx.connection(), session.caller.organization(), None).await?;
        tx.commit().await?;
        Ok(Self {
            assets: assets::links(),
            who: session.caller.name().to_owned(),
            admin: session.caller.is_admin(),
            form_token: session.form_token.clone(),
            unread,
            waiting,
            section,
        })
    }

    /// For a link of the navigation: whether this is where it leads.
    pub fn is(&self, section: &str) -> bool {
        let own = match self.section {
            Section::Overview => "overview",
            Section::Runs => "runs",
            Section::Reviews => "reviews",
            Section::Log => "log",
            Section::Notices => "notices",
        };
        own == section
    }
}
