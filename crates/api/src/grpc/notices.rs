//! `rollcall.v1.Notices`.

use std::collections::BTreeMap;
use std::time::Duration;

use bus::subjects;
use chrono::{DateTime, TimeDelta, Utc};
use contracts::v1;
use contracts::v1::notices_server::Notices;
use domain::id::NoticeId;
use store::{delivery_list, notice_list, notice_read};
use tokio::sync::mpsc;
use tonic::{Request, Response, Status};

use super::Answers;
use crate::app::App;
use crate::auth::Caller;
use crate::fault::Fault;
use crate::page::Page;
use crate::{lookup, view};

/// How often the bell is looked at when nothing wakes us.
const EVERY: Duration = Duration::from_secs(2);
/// Notices may become visible so much later than their time says.
const LATE: TimeDelta = TimeDelta::minutes(5);
/// Notices that are sent at a time.
const BATCH: i64 = 500;

/// The service.
pub struct Service(pub App);

#[tonic::async_trait]
impl Notices for Service {
    async fn list_notices(
        &self,
        request: Request<v1::ListNoticesRequest>,
    ) -> Result<Response<v1::ListNoticesResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(list(&self.0, &caller, request.get_ref()).await?))
    }

    async fn mark_notices_read(
        &self,
        request: Request<v1::MarkNoticesReadRequest>,
    ) -> Result<Response<v1::MarkNoticesReadResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            mark_read(&self.0, &caller, &request.get_ref().notice_ids).await?,
        ))
    }

    type WatchNoticesStream = Answers<v1::NoticeUpdate>;

    async fn watch_notices(
        &self,
        request: Request<v1::WatchNoticesRequest>,
    ) -> Result<Response<Self::WatchNoticesStream>, Status> {
        let caller = Caller::of(&request)?;
        let (to, answers) = super::answers(std::convert::identity);
        let app = self.0.clone();
        self.0.tasks.spawn("watch-notices", async move {
            if let Err(fault) = follow(&app, &caller, &to).await {
                // Nobody listens any more: nobody to tell.
                drop(to.send(Err(fault)).await);
            }
            Ok::<_, std::convert::Infallible>(())
        });
        Ok(Response::new(answers))
    }

    async fn list_deliveries(
        &self,
        request: Request<v1::ListDeliveriesRequest>,
    ) -> Result<Response<v1::ListDeliveriesResponse>, Status> {
        let caller = Caller::of(&request)?;
        Ok(Response::new(
            list_deliveries(&self.0, &caller, request.get_ref()).await?,
        ))
    }
}

async fn list(
    app: &App,
    caller: &Caller,
    request: &v1::ListNoticesRequest,
) -> Result<v1::ListNoticesResponse, Fault> {
    let list = format!("notices {}", request.unread_only);
    let page = Page::read(list, request.page_size, &request.page_token)?;
    let before = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let mut tx = app.store.begin("notice.list").await?;
    let reader = caller.reader();
    let mut rows =
        notice_list::list(tx.connection(), reader, request.unread_only, before, page.limit()).await?;
    let unread = notice_list::unread(tx.connection(), reader).await?;
    tx.commit().await?;
    let next_page_token = page.cut(&mut rows, |row| vec![row.id().to_string()]);
    let notices = rows.into_iter().map(view::notice::notice).collect();
    Ok(v1::ListNoticesResponse {
        notices,
        next_page_token,
        unread,
    })
}

/// Marks notices as read, all of them when none is named; for gRPC and the console.
pub async fn mark_read(
    app: &App,
    caller: &Caller,
    ids: &[String],
) -> Result<v1::MarkNoticesReadResponse, Fault> {
    let ids: Vec<NoticeId> = ids
        .iter()
        .enumerate()
        .map(|(index, id)| lookup::parse(&format!("noticeIds[{index}]"), id))
        .collect::<Result<_, _>>()?;
    let mut tx = app.store.begin("notice.mark_read").await?;
    notice_read::mark(tx.connection(), caller.reader(), &ids, app.clock.now()).await?;
    let unread = notice_list::unread(tx.connection(), caller.reader()).await?;
    tx.commit().await?;
    Ok(v1::MarkNoticesReadResponse { unread })
}

async fn list_deliveries(
    app: &App,
    caller: &Caller,
    request: &v1::ListDeliveriesRequest,
) -> Result<v1::ListDeliveriesResponse, Fault> {
    let page = Page::read("deliveries", request.page_size, &request.page_token)?;
    let before = page.after_parsed(|parts| parts.first()?.parse().ok())?;
    let mut connection = app.store.connection().await?;
    let mut rows = delivery_list::list(&mut connection, caller.organization(), before, page.limit()).await?;
    let next_page_token = page.cut(&mut rows, |row| vec![row.id.to_string()]);
    let deliveries = rows.into_iter().map(view::notice::delivery).collect();
    Ok(v1::ListDeliveriesResponse {
        deliveries,
        next_page_token,
    })
}

async fn follow(
    app: &App,
    caller: &Caller,
    to: &mpsc::Sender<Result<v1::NoticeUpdate, Fault>>,
) -> Result<(), Fault> {
    let mut wakes = match app.bus.get() {
        Some(bus) => bus.watch(&subjects::notice(caller.organization())).await.ok(),
        None => None,
    };
    let mut known = Known::default();
    let (_, unread) = known.news(app, caller).await?;
    if to
        .send(Ok(v1::NoticeUpdate { notice: None, unread }))
        .await
        .is_err()
    {
        return Ok(());
    }
    loop {
        let wake = async {
            match &mut wakes {
                Some(watch) => drop(tokio::time::timeout(EVERY, watch.next()).await),
                None => tokio::time::sleep(EVERY).await,
            }
        };
        tokio::select! {
            () = wake => {}
            () = to.closed() => return Ok(()),
            () = app.stopper.stopped() => return Err(Fault::Stopping),
        }
        let (news, unread) = known.news(app, caller).await?;
        for notice in news {
            if to
                .send(Ok(v1::NoticeUpdate {
                    notice: Some(notice),
                    unread,
                }))
                .await
                .is_err()
            {
                return Ok(());
            }
        }
    }
}

/// The notices that a watcher has been told of, as far back as a late one may come.
#[derive(Default)]
struct Known(BTreeMap<NoticeId, DateTime<Utc>>);

impl Known {
    /// The notices that are new, the earliest first, and how many are unread.
    async fn news(&mut self, app: &App, caller: &Caller) -> Result<(Vec<v1::Notice>, u32), Fault> {
        let since = app.clock.now() - LATE;
        let mut tx = app.store.begin("notice.watch").await?;
        let entries = notice_list::since(tx.connection(), caller.reader(), since, BATCH).await?;
        let unread = notice_list::unread(tx.connection(), caller.reader()).await?;
        tx.commit().await?;
        self.0.retain(|_, at| *at >= since);
        let news = entries
            .into_iter()
            .filter(|entry| self.0.insert(entry.id(), entry.created_at).is_none())
            .map(view::notice::notice)
            .collect();
        Ok((news, unread))
    }
}
