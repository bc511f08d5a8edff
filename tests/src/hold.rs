//! Holding a run up at a step, with nothing built into the services for it: whoever comes to the step waits in the database.

use std::fmt;

use crate::site::Site;
use crate::wait::until;

/// A step of a run: the statement by which others see it.
#[derive(Clone, Copy, Debug)]
pub enum Step {
    /// Everything is read and on its way to the reconciler; nothing is settled yet.
    Fetched,
    /// The plan is settled, and about to be applied.
    Planned,
}

/// Runs of an organization are held at a step, manual ones aside.
pub struct Hold<'s> {
    site: &'s Site,
    organization: uuid::Uuid,
    step: Step,
}

impl fmt::Display for Step {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Fetched => "fetched",
            Self::Planned => "planned",
        })
    }
}

impl<'s> Hold<'s> {
    /// From now on, whoever of the organization comes to the step waits.
    pub async fn at(step: Step, organization: uuid::Uuid, site: &'s Site) -> Self {
        prepare(site).await;
        site.sql(&format!(
            "INSERT INTO held (organization, step) VALUES ('{organization}', '{step}')"
        ))
        .await;
        Self {
            site,
            organization,
            step,
        }
    }

    /// Waits until somebody waits at it, and every page that was published is decided.
    pub async fn reached(&self) {
        let name = format!("held {} {}", self.organization, self.step);
        let asked = format!("SELECT count(*) FROM pg_stat_activity WHERE application_name = '{name}'");
        until("the run comes to the step", async || {
            (self.site.sql(&asked).await != "0").then_some(())
        })
        .await;
        let decided = format!(
            "SELECT count(*) FROM run_page JOIN run ON run.id = run_page.run_id
             WHERE run.kind <> 'manual' AND run.organization_id = '{}'
               AND run.created_at = (SELECT max(created_at) FROM run WHERE kind <> 'manual'
                   AND organization_id = '{}')",
            self.organization, self.organization
        );
        until("a page is decided", async || {
            (self.site.sql(&decided).await != "0").then_some(())
        })
        .await;
    }

    /// Lets everybody go on.
    pub async fn release(self) {
        self.site
            .sql(&format!(
                "DELETE FROM held WHERE organization = '{}' AND step = '{}'",
                self.organization, self.step
            ))
            .await;
    }
}

/// Once for each database, before anybody is held there: changing a trigger would wait for whoever waits at it, and
/// everybody else behind that.
async fn prepare(site: &Site) {
    static ONE_AT_A_TIME: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = ONE_AT_A_TIME.lock().await;
    if site.sql("SELECT to_regclass('held') IS NULL").await == "f" {
        return;
    }
    site.sql(
        "CREATE TABLE held (organization uuid, step text, PRIMARY KEY (organization, step));
         CREATE FUNCTION wait_while_held() RETURNS trigger LANGUAGE plpgsql AS $$
         DECLARE whose uuid := (SELECT organization_id FROM run WHERE id = NEW.run_id AND kind <> 'manual');
         BEGIN
             WHILE EXISTS (SELECT FROM held WHERE organization = whose AND step = TG_ARGV[0]) LOOP
                 PERFORM set_config('application_name', 'held ' || whose || ' ' || TG_ARGV[0], true);
                 PERFORM pg_sleep(0.02);
             END LOOP;
             RETURN NEW;
         END $$;
         CREATE TRIGGER held_fetched BEFORE UPDATE OF state ON run_fetch
             FOR EACH ROW WHEN (NEW.state = 'fetched') EXECUTE FUNCTION wait_while_held('fetched');
         CREATE TRIGGER held_planned BEFORE UPDATE OF planned_at ON run_plan
             FOR EACH ROW EXECUTE FUNCTION wait_while_held('planned')",
    )
    .await;
}
