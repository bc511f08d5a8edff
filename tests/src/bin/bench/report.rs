//! The figures: a table for people, a file for programs, and each target beside what was measured.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use serde_json::{Value, json};

use crate::series::{DELTA, Series, Turn, Turns};
use crate::{LARGE, SMALL};

/// What is aimed at (design §8).
mod target {
    pub const FULL_IMPORT: f64 = 0.5;
    pub const RESYNC: f64 = 0.45;
    pub const DELTA_SECONDS: f64 = 1.3;
    pub const FLATNESS: f64 = 0.85;
    pub const PEAK_MIB: f64 = 128.0;
    pub const USERS_PER_MESSAGE: f64 = 400.0;
}

/// Prints everything.
pub fn table(all: &[Series]) {
    for series in all {
        println!("\n{} users, medians", thousands(u64::from(series.users)));
        println!(
            "{:<13}{:>12}{:>14}{:>11}{:>8}   CPU-seconds of Rollcall",
            "", "floor", "Rollcall", "took", "ratio"
        );
        for (title, users, turns) in measurements(series) {
            line(title, users, turns);
        }
        rows(series);
        for (name, peak) in &series.peak_mib {
            println!("peak memory of {name:<11} {peak:>7.1} MiB");
        }
    }
    let Some(last) = all.last() else { return };
    println!("\n{:<40}{:>10}   target", "", "measured");
    for figure in figures(all, last) {
        figure.print();
    }
}

/// Writes the file.
pub fn write(all: &[Series], out: &Path) -> anyhow::Result<()> {
    let last = all.last().context("nothing was measured")?;
    let mut value = json!({
        "n": last.users,
        "peak_rss_mib": peaks(all),
        "rows_written_unchanged": last.unchanged.rows.map(|rows| rows.account),
        "messages": last.messages,
        "series": all.iter().map(details).collect::<Vec<_>>(),
    });
    for (key, measured) in ratios(all, last) {
        value[key] = json!(measured);
    }
    if let Some(dir) = out.parent() {
        std::fs::create_dir_all(dir).with_context(|| format!("{} can't be made", dir.display()))?;
    }
    let text = serde_json::to_string_pretty(&value)? + "\n";
    std::fs::write(out, text).with_context(|| format!("{} can't be written", out.display()))
}

fn measurements(series: &Series) -> [(&'static str, u32, &Turns); 4] {
    [
        ("full import", series.users, &series.import),
        ("unchanged", series.users, &series.unchanged),
        ("1 % changed", series.users, &series.changed),
        ("delta", DELTA, &series.delta),
    ]
}

fn line(title: &str, users: u32, turns: &Turns) {
    let (floor, product) = (turns.floor(), turns.product());
    let rate = |seconds: Option<f64>| match seconds {
        Some(seconds) => format!("{:.0}/s", f64::from(users) / seconds),
        None => "-".to_owned(),
    };
    let took = product.map_or("-".to_owned(), |seconds| format!("{seconds:.2} s"));
    let ratio = turns
        .ratio()
        .map_or("-".to_owned(), |ratio| format!("{ratio:.2}"));
    let cpu: Vec<String> = turns
        .cpu()
        .iter()
        .map(|(name, cpu)| format!("{name} {cpu:.1}"))
        .collect();
    println!(
        "{title:<13}{:>12}{:>14}{took:>11}{ratio:>8}   {}",
        rate(floor),
        rate(product),
        cpu.join(", ")
    );
}

fn rows(series: &Series) {
    for (title, _, turns) in measurements(series) {
        if let Some(rows) = turns.rows {
            println!(
                "rows written, {title:<13} {:>9} in account, {:>9} in all tables",
                rows.account, rows.all
            );
        }
    }
    println!("messages of an import {:>14}", series.messages);
    println!("database after an import {:>11} MiB", series.database_mib);
}

/// One figure with its target.
struct Figure {
    title: String,
    measured: Option<f64>,
    target: String,
    met: fn(f64, f64) -> bool,
    limit: f64,
}

impl Figure {
    fn at_least(title: &str, measured: Option<f64>, limit: f64) -> Self {
        Self {
            title: title.to_owned(),
            measured,
            target: format!(">= {limit}"),
            met: |measured, limit| measured >= limit,
            limit,
        }
    }

    fn at_most(title: &str, measured: Option<f64>, limit: f64) -> Self {
        Self {
            title: title.to_owned(),
            measured,
            target: format!("<= {limit}"),
            met: |measured, limit| measured <= limit,
            limit,
        }
    }

    fn print(&self) {
        let (measured, verdict) = match self.measured {
            None => ("-".to_owned(), "not measured"),
            Some(measured) if (self.met)(measured, self.limit) => (format!("{measured:.2}"), "pass"),
            Some(measured) => (format!("{measured:.2}"), "FAIL"),
        };
        println!("{:<40}{measured:>10}   {:<10} {verdict}", self.title, self.target);
    }
}

fn figures(all: &[Series], last: &Series) -> Vec<Figure> {
    let ratios = ratios(all, last);
    let ratio = |key: &str| {
        ratios
            .iter()
            .find(|(known, _)| *known == key)
            .and_then(|(_, ratio)| *ratio)
    };
    let mut figures = vec![
        Figure::at_least(
            "full import, ratio to floor",
            ratio("full_import_ratio"),
            target::FULL_IMPORT,
        ),
        Figure::at_least(
            "unchanged re-sync, ratio to floor",
            ratio("unchanged_ratio"),
            target::RESYNC,
        ),
        Figure::at_least(
            "1 % changed re-sync, ratio to floor",
            ratio("changed_ratio"),
            target::RESYNC,
        ),
        Figure::at_most(
            "delta seconds, 1,000,000 over 100,000",
            ratio("delta_seconds_ratio_1m_over_100k"),
            target::DELTA_SECONDS,
        ),
        Figure::at_least(
            "import users/s, 1,000,000 over 100,000",
            ratio("flatness_1m_over_100k"),
            target::FLATNESS,
        ),
    ];
    for (name, peak) in peaks(all) {
        figures.push(Figure::at_most(
            &format!("peak MiB of {name}"),
            Some(peak),
            target::PEAK_MIB,
        ));
    }
    let written = last.unchanged.rows.map(|rows| real(rows.account.unsigned_abs()));
    figures.push(Figure::at_most("register rows written, unchanged", written, 0.0));
    let messages = (last.messages > 0).then_some(real(last.messages));
    let limit = f64::from(last.users) / target::USERS_PER_MESSAGE;
    figures.push(Figure::at_most("messages of an import", messages, limit));
    figures
}

#[expect(clippy::cast_precision_loss, reason = "nobody has 2^53 rows")]
fn real(count: u64) -> f64 {
    count as f64
}

/// The ratios by their keys. Those between sizes need both sizes.
fn ratios(all: &[Series], last: &Series) -> [(&'static str, Option<f64>); 5] {
    let of = |users: u32| all.iter().find(|series| series.users == users);
    let sizes = of(LARGE).zip(of(SMALL));
    let delta = sizes.and_then(|(large, small)| Some(large.delta.product()? / small.delta.product()?));
    let flatness = sizes.and_then(|(large, small)| {
        let rate = |series: &Series| Some(f64::from(series.users) / series.import.product()?);
        Some(rate(large)? / rate(small)?)
    });
    [
        ("full_import_ratio", last.import.ratio()),
        ("unchanged_ratio", last.unchanged.ratio()),
        ("changed_ratio", last.changed.ratio()),
        ("delta_seconds_ratio_1m_over_100k", delta),
        ("flatness_1m_over_100k", flatness),
    ]
}

fn peaks(all: &[Series]) -> BTreeMap<String, f64> {
    let mut most = BTreeMap::new();
    for (name, peak) in all.iter().flat_map(|series| &series.peak_mib) {
        let known: &mut f64 = most.entry(name.clone()).or_default();
        *known = known.max(*peak);
    }
    most
}

fn details(series: &Series) -> Value {
    let mut value = json!({
        "n": series.users,
        "peak_rss_mib": series.peak_mib,
        "messages": series.messages,
        "database_mib": series.database_mib,
    });
    for (title, users, turns) in measurements(series) {
        value[title] = json!({
            "users": users,
            "floor_seconds": seconds(&turns.floor),
            "product_seconds": seconds(&turns.product),
            "ratio": turns.ratio(),
            "floor_cpu_seconds": median_cpu(&turns.floor),
            "product_cpu_seconds": turns.cpu(),
            "rows_written_account": turns.rows.map(|rows| rows.account),
            "rows_written": turns.rows.map(|rows| rows.all),
        });
    }
    value
}

impl Turns {
    /// The floor's median, in seconds.
    fn floor(&self) -> Option<f64> {
        median(seconds(&self.floor))
    }

    /// Rollcall's median, in seconds.
    fn product(&self) -> Option<f64> {
        median(seconds(&self.product))
    }

    /// Rollcall's users a second in terms of the floor's.
    fn ratio(&self) -> Option<f64> {
        Some(self.floor()? / self.product()?)
    }

    fn cpu(&self) -> BTreeMap<String, f64> {
        median_cpu(&self.product)
    }
}

fn seconds(turns: &[Turn]) -> Vec<f64> {
    turns.iter().map(|turn| turn.took.as_secs_f64()).collect()
}

fn median_cpu(turns: &[Turn]) -> BTreeMap<String, f64> {
    let names = turns.first().map(|turn| turn.cpu.keys()).into_iter().flatten();
    let of = |name: &String| {
        turns
            .iter()
            .filter_map(|turn| turn.cpu.get(name).copied())
            .collect()
    };
    names
        .filter_map(|name| Some((name.clone(), median(of(name))?)))
        .collect()
}

fn median(mut values: Vec<f64>) -> Option<f64> {
    values.sort_by(f64::total_cmp);
    let middle = values.len() / 2;
    match values.len() {
        0 => None,
        odd if odd % 2 == 1 => Some(values[middle]),
        _ => Some(f64::midpoint(values[middle - 1], values[middle])),
    }
}

fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn turns(seconds: &[u64]) -> Vec<Turn> {
        let turn = |seconds: &u64| Turn {
            took: Duration::from_secs(*seconds),
            cpu: BTreeMap::new(),
        };
        seconds.iter().map(turn).collect()
    }

    #[test]
    fn a_median_is_not_moved_by_one_bad_round() {
        assert_eq!(median(vec![]), None);
        assert_eq!(median(vec![100.0, 1.0, 2.0]), Some(2.0));
        assert_eq!(median(vec![4.0, 1.0, 2.0, 100.0]), Some(3.0));
    }

    #[test]
    fn half_the_speed_is_a_ratio_of_a_half() {
        let turns = Turns {
            floor: turns(&[1, 2, 3]),
            product: turns(&[4, 4, 9]),
            rows: None,
        };
        assert_eq!(turns.ratio(), Some(0.5));
        assert_eq!(Turns::default().ratio(), None);
    }

    #[test]
    fn numbers_are_grouped() {
        assert_eq!(thousands(999), "999");
        assert_eq!(thousands(1_000_000), "1,000,000");
    }
}
