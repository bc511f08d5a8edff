//! How often.

use chrono::Weekday;

use super::{Cron, CronError};

/// How often full runs are due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Frequency {
    /// Every so many hours from the start on, as time passes.
    Hours(u32),
    /// Every day, at the start's time of day.
    Daily,
    /// On these weekdays, Monday first, at the start's time of day.
    Weekly(Vec<Weekday>),
    /// On this day of the month, or the last one of a shorter month, at the start's time of day.
    Monthly(u32),
    /// As a cron pattern says, not before the start.
    Cron(Cron),
    /// At the start alone.
    Once,
}

const DAYS: [(&str, Weekday); 7] = [
    ("mon", Weekday::Mon),
    ("tue", Weekday::Tue),
    ("wed", Weekday::Wed),
    ("thu", Weekday::Thu),
    ("fri", Weekday::Fri),
    ("sat", Weekday::Sat),
    ("sun", Weekday::Sun),
];

/// The name of a weekday in YAML and tables.
#[must_use]
pub fn day_key(day: Weekday) -> &'static str {
    DAYS[day.num_days_from_monday() as usize].0
}

/// The weekday of this name.
#[must_use]
pub fn day_of_key(key: &str) -> Option<Weekday> {
    DAYS.into_iter()
        .find(|(name, _)| *name == key)
        .map(|(_, day)| day)
}

impl Frequency {
    /// On these weekdays, whatever their order.
    #[must_use]
    pub fn weekly(mut days: Vec<Weekday>) -> Self {
        days.sort_unstable_by_key(Weekday::num_days_from_monday);
        days.dedup();
        Self::Weekly(days)
    }

    /// The name in YAML and in the table.
    #[must_use]
    pub const fn key(&self) -> &'static str {
        match self {
            Self::Hours(_) => "hours",
            Self::Daily => "daily",
            Self::Weekly(_) => "weekly",
            Self::Monthly(_) => "monthly",
            Self::Cron(_) => "cron",
            Self::Once => "once",
        }
    }

    /// What goes with the name: how many hours, which days, which pattern.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Hours(hours) => hours.to_string(),
            Self::Daily | Self::Once => String::new(),
            Self::Weekly(days) => {
                let days: Vec<&str> = days.iter().map(|day| day_key(*day)).collect();
                days.join(",")
            }
            Self::Monthly(day) => day.to_string(),
            Self::Cron(cron) => cron.to_string(),
        }
    }

    /// What `key` and `detail` say. `None` where they say nothing that is known here.
    #[must_use]
    pub fn of(key: &str, detail: &str) -> Option<Self> {
        match key {
            "hours" => detail.parse().ok().filter(|hours| *hours > 0).map(Self::Hours),
            "daily" => Some(Self::Daily),
            "weekly" => {
                let days: Option<Vec<Weekday>> = detail.split(',').map(day_of_key).collect();
                days.map(Self::weekly)
            }
            "monthly" => detail
                .parse()
                .ok()
                .filter(|day| (1..=31).contains(day))
                .map(Self::Monthly),
            "cron" => Cron::parse(detail)
                .map_err(|_: CronError| ())
                .ok()
                .map(Self::Cron),
            "once" => Some(Self::Once),
            _ => None,
        }
    }
}
