//! The policy, case by case and by property.

use proptest::prelude::*;

use super::*;

const MANNER: Manner<'_> = Manner {
    mail_on_completion: true,
    console: Some("https://rollcall.contoso.com/"),
};
const NO_COMPLETION: Manner<'_> = Manner {
    mail_on_completion: false,
    console: None,
};

fn run(asked: Asked, ending: Ending) -> EndedRun {
    EndedRun {
        id: "01930000-0000-7000-8000-000000000001".parse().unwrap(),
        connection: "contoso".to_owned(),
        asked,
        read_everything: asked != Asked::Delta,
        reason: None,
        requested_by: "ops".to_owned(),
        ending,
        counts: Counts {
            seen: 10,
            added: 7,
            unchanged: 3,
            ..Counts::default()
        },
        failed_ignored: 0,
        removals_note: None,
        removed: None,
        held_first: Vec::new(),
        before: Before::default(),
    }
}

fn failed(text: &str) -> Ending {
    Ending::Failed {
        error: text.to_owned(),
    }
}

fn kinds(telling: &Telling) -> Vec<Kind> {
    telling.notices.iter().map(|notice| notice.kind).collect()
}

#[test]
fn n4_a_full_run_is_told_on_the_bell_and_by_mail() {
    let mut run = run(Asked::Full, Ending::Finished);
    run.counts = Counts {
        seen: 9_703,
        added: 9_700,
        failed: 3,
        ..Counts::default()
    };
    let telling = tell(&run, MANNER);
    assert_eq!(kinds(&telling), [Kind::RunFinished]);
    assert_eq!(
        telling.notices[0].title,
        "contoso: full run finished: 9,700 added, 3 failed"
    );
    let link = "https://rollcall.contoso.com/runs/01930000-0000-7000-8000-000000000001";
    assert!(
        telling.notices[0].body.contains(link),
        "{}",
        telling.notices[0].body
    );

    let letter = telling.letter.unwrap();
    assert_eq!(
        letter.subject,
        "Rollcall: contoso full run finished: 9,700 added, 3 failed"
    );
    assert!(letter.attach_failed);
    assert!(
        letter.body.contains("rollcall run failed 01930000"),
        "{}",
        letter.body
    );
}

#[test]
fn n6_completion_mails_can_be_switched_off_but_not_the_notice() {
    let telling = tell(&run(Asked::Full, Ending::Finished), NO_COMPLETION);
    assert_eq!(kinds(&telling), [Kind::RunFinished]);
    assert_eq!(telling.letter, None);
}

#[test]
fn n4_a_delta_that_went_well_is_not_told() {
    assert_eq!(
        tell(&run(Asked::Delta, Ending::Finished), MANNER),
        Telling::default()
    );
}

#[test]
fn n4_a_delta_with_failed_records_is_told_and_mailed_once_a_day() {
    let mut run = run(Asked::Delta, Ending::Finished);
    run.counts.failed = 2;
    let telling = tell(&run, MANNER);
    assert_eq!(
        telling.notices[0].title,
        "contoso: delta run finished: 7 added, 2 failed"
    );
    assert!(telling.letter.unwrap().attach_failed);

    run.before.records_failed_lately = true;
    let telling = tell(&run, MANNER);
    assert_eq!(kinds(&telling), [Kind::RunFinished]);
    assert_eq!(telling.letter, None);
}

#[test]
fn a_delta_that_had_to_read_everything_is_told_as_a_full_run_with_its_reason() {
    let mut run = run(Asked::Delta, Ending::Finished);
    run.read_everything = true;
    run.reason = Some("the delta token is older than 7 days".to_owned());
    let telling = tell(&run, MANNER);
    assert!(telling.notices[0].title.starts_with("contoso: full run finished"));
    assert!(
        telling.notices[0]
            .body
            .contains("Note: the delta token is older than 7 days.\n")
    );
    assert!(telling.letter.is_some());
}

fn health(change: Change) -> Health {
    Health {
        change,
        reason: "The secret expired. Make a new one.".to_owned(),
        next_try: (change == Change::Quarantined).then_some("2026-11-21T12:15:00Z".parse().unwrap()),
    }
}

#[test]
fn n6_a_failure_is_mailed_once_and_its_end_too() {
    let mut broken = run(Asked::Delta, failed("Graph did not answer: try again later"));
    broken.before.health = Some(health(Change::BeganToFail));
    let first = tell(&broken, MANNER);
    assert_eq!(kinds(&first), [Kind::RunFailed]);
    let letter = first.letter.unwrap();
    assert_eq!(letter.subject, "Rollcall: contoso delta run failed");
    assert!(letter.body.contains("try again later"));
    assert!(
        letter
            .body
            .contains("rollcall run start contoso --kind delta --wait")
    );

    broken.before.health = None;
    let again = tell(&broken, MANNER);
    assert_eq!((kinds(&again), again.letter), (vec![Kind::RunFailed], None));

    let mut well = run(Asked::Delta, Ending::Finished);
    well.before.health = Some(health(Change::WorksAgain));
    let back = tell(&well, NO_COMPLETION);
    assert_eq!(back.notices, []);
    let letter = back.letter.unwrap();
    assert_eq!(letter.subject, "Rollcall: contoso works again");
    assert!(letter.body.contains("The run before it had failed"));
}

#[test]
fn b17_a_quarantine_is_one_notice_and_one_mail_and_so_is_its_end() {
    let mut broken = run(Asked::Delta, failed("The secret expired. Make a new one."));
    broken.before.health = Some(health(Change::Quarantined));
    let telling = tell(&broken, NO_COMPLETION);
    assert_eq!(kinds(&telling), [Kind::RunFailed, Kind::ConnectionQuarantined]);
    let body = &telling.notices[1].body;
    assert!(
        body.contains("Make a new one.") && body.contains("2026-11-21 12:15 UTC"),
        "{body}"
    );
    assert!(body.contains("rollcall connection release contoso"), "{body}");
    let letter = telling.letter.unwrap();
    assert_eq!(
        letter.subject,
        "Rollcall: contoso delta run failed, and is in quarantine"
    );
    assert!(letter.body.contains("2026-11-21 12:15 UTC"), "{}", letter.body);

    // The next tries, which nobody asked for, say nothing; a run that a person starts does.
    broken.before = Before {
        just_a_try: true,
        ..Before::default()
    };
    assert_eq!(tell(&broken, MANNER), Telling::default());
    broken.before = Before::default();
    assert_eq!(kinds(&tell(&broken, MANNER)), [Kind::RunFailed]);

    let mut well = run(Asked::Delta, Ending::Finished);
    well.before.health = Some(health(Change::Recovered));
    let back = tell(&well, NO_COMPLETION);
    assert_eq!(kinds(&back), [Kind::ConnectionRecovered]);
    assert_eq!(back.letter.unwrap().subject, "Rollcall: contoso works again");

    let tested = tell_health("contoso 1", &health(Change::Recovered), MANNER.console);
    assert_eq!(kinds(&tested), [Kind::ConnectionRecovered]);
    let letter = tested.letter.unwrap();
    assert!(letter.body.contains("connections/contoso%201"), "{}", letter.body);
}

#[test]
fn b17_a_run_of_which_too_many_failed_says_so_in_its_mail() {
    let mut run = run(Asked::Full, Ending::Finished);
    run.counts.failed = 9;
    run.before.health = Some(health(Change::Quarantined));
    let telling = tell(&run, NO_COMPLETION);
    assert_eq!(kinds(&telling), [Kind::RunFinished, Kind::ConnectionQuarantined]);
    let letter = telling.letter.unwrap();
    assert!(letter.attach_failed && letter.subject.ends_with("and is in quarantine"));
    assert!(letter.body.contains("Make a new one."), "{}", letter.body);
}

#[test]
fn n4_a_manual_run_is_told_only_when_something_failed_and_never_mailed_for_that() {
    let mut run = run(Asked::Manual, Ending::Finished);
    assert_eq!(tell(&run, MANNER), Telling::default());
    run.counts.failed = 1;
    let telling = tell(&run, MANNER);
    assert_eq!(kinds(&telling), [Kind::RunFinished]);
    assert_eq!(telling.letter, None);
    assert!(telling.notices[0].title.contains("manual run"), "{telling:#?}");
}

#[test]
fn b8_failures_that_a_person_said_to_ignore_are_not_told() {
    let mut run = run(Asked::Delta, Ending::Finished);
    run.counts.failed = 2;
    run.failed_ignored = 2;
    assert_eq!(tell(&run, MANNER), Telling::default());
    run.counts.failed = 3;
    let telling = tell(&run, MANNER);
    assert_eq!(kinds(&telling), [Kind::RunFinished]);
    assert!(telling.letter.is_some());
}

#[test]
fn d9_removals_by_itself_are_told_with_the_entry_that_says_whom() {
    let entry = uuid::Uuid::from_u128(7);
    let mut run = run(Asked::Delta, Ending::Finished);
    run.counts.removed = 2;
    run.removed = Some(Removed {
        entry,
        entries: 1,
        records: 2,
    });
    let telling = tell(&run, MANNER);
    assert_eq!(kinds(&telling), [Kind::Removed], "of a delta, too");
    let notice = &telling.notices[0];
    assert_eq!(notice.title, "contoso: 2 records removed");
    assert!(notice.body.contains(&format!("rollcall log show {entry} --csv")));
    assert!(notice.body.ends_with(&format!("/log/{entry}\n")), "{notice:?}");
    run.ending = Ending::Cancelled { by: None };
    assert!(
        tell(&run, MANNER)
            .notices
            .iter()
            .all(|notice| notice.kind != Kind::Removed)
    );
}

#[test]
fn d9_the_first_of_those_who_wait_are_named() {
    let mut run = run(Asked::Delta, Ending::Finished);
    run.counts.held = 12;
    run.held_first = vec!["ann@contoso.com".to_owned(), "bob\n@contoso.com".to_owned()];
    let body = &tell(&run, MANNER).notices[0].body;
    assert!(
        body.contains("They are: ann@contoso.com, bob @contoso.com and 10 more."),
        "{body}"
    );
}

#[test]
fn d8_held_removals_are_told_with_the_way_to_the_reviews() {
    let mut run = run(Asked::Delta, Ending::Finished);
    run.counts.held = 12;
    run.removals_note = Some("the run would remove 12 of 40 linked records, more than 10 %".to_owned());
    let telling = tell(&run, MANNER);
    assert_eq!(kinds(&telling), [Kind::ReviewsWaiting]);
    let notice = &telling.notices[0];
    assert_eq!(notice.title, "contoso: 12 removals wait for review");
    assert!(notice.body.contains("more than 10 %."));
    assert!(
        notice
            .body
            .contains("rollcall review list --connection contoso\nhttps://rollcall.contoso.com/reviews?run=")
    );
    run.counts.held = 1;
    assert_eq!(
        tell(&run, MANNER).notices[0].title,
        "contoso: 1 removal waits for review"
    );
}

#[test]
fn a_preview_is_told_with_the_way_to_apply_it_and_mailed_when_nobody_asked_for_one() {
    let asked_for = tell(&run(Asked::Preview, Ending::Planned), MANNER);
    assert_eq!(kinds(&asked_for), [Kind::PreviewReady]);
    assert!(
        asked_for.notices[0]
            .body
            .contains("rollcall run apply 01930000-0000-7000-8000-000000000001 --wait")
    );
    assert_eq!(asked_for.letter, None);

    let by_itself = tell(&run(Asked::Full, Ending::Planned), MANNER);
    assert_eq!(by_itself.notices[0].title, "contoso: preview ready: 7 added");
    assert!(by_itself.letter.unwrap().body.contains("Nothing is applied yet"));
}

#[test]
fn a_cancelled_full_run_and_an_expired_plan_get_a_short_notice_and_no_mail() {
    let by = || Ending::Cancelled {
        by: Some("dana".to_owned()),
    };
    let telling = tell(&run(Asked::Full, by()), MANNER);
    assert_eq!(telling.notices[0].title, "contoso: full run cancelled by dana");
    assert_eq!(telling.letter, None);
    assert_eq!(tell(&run(Asked::Delta, by()), MANNER), Telling::default());
    assert_eq!(
        kinds(&tell(&run(Asked::Full, Ending::Expired), MANNER)),
        [Kind::RunFinished]
    );
}

#[test]
fn the_letter_of_a_full_run_reads_well() {
    let mut run = run(Asked::Full, Ending::Finished);
    run.counts = Counts {
        seen: 10_020,
        gone: 5,
        added: 9_700,
        updated: 300,
        overwritten: 41,
        reactivated: 2,
        unchanged: 0,
        skipped: 10,
        removed: 0,
        held: 12,
        failed: 3,
    };
    run.removals_note = Some("the run would remove 12 of 40 linked records, more than 10 %".to_owned());
    assert_eq!(
        tell(&run, MANNER).letter.unwrap().body,
        "\
The full run of contoso has finished.

  added            9,700
  updated            300  (41 of them overwritten, 2 of them reactivated)
  unchanged            0
  skipped             10
  removed              0
  held                12
  failed               3
  users           10,025  (5 of them no longer in the directory)

Note: the run would remove 12 of 40 linked records, more than 10 %.

12 removals wait for review. Approve or reject them: rollcall review list --connection contoso
https://rollcall.contoso.com/reviews
Who failed and why: rollcall run failed 01930000-0000-7000-8000-000000000001
https://rollcall.contoso.com/runs/01930000-0000-7000-8000-000000000001

The attached CSV names everyone who failed, with the reason.

Run 01930000-0000-7000-8000-000000000001, requested by ops. Sent by Rollcall.
"
    );
}

#[test]
fn more_failed_than_go_with_a_mail_is_said() {
    let mut run = run(Asked::Full, Ending::Finished);
    run.counts.failed = 12_345;
    let body = tell(&run, MANNER).letter.unwrap().body;
    assert!(
        body.contains("the first 10,000 of the 12,345 that failed"),
        "{body}"
    );
}

#[test]
fn kinds_have_names_of_their_own() {
    for kind in Kind::ALL {
        assert_eq!(Kind::of_key(kind.key()), Some(kind));
    }
    assert_eq!(Kind::of_key("other"), None);
}

fn any_counts() -> impl Strategy<Value = Counts> {
    prop::array::uniform7(0_u32..200_000).prop_flat_map(
        |[added, updated, unchanged, skipped, removed, held, failed]| {
            let all = added + updated + unchanged + skipped + removed + held + failed;
            (0..=all, 0..=updated).prop_map(move |(gone, overwritten)| Counts {
                seen: all - gone,
                gone,
                added,
                updated,
                overwritten,
                reactivated: updated - overwritten,
                unchanged,
                skipped,
                removed,
                held,
                failed,
            })
        },
    )
}

fn any_ending() -> impl Strategy<Value = Ending> {
    prop_oneof![
        3 => Just(Ending::Finished),
        2 => Just(Ending::Planned),
        2 => ".*".prop_map(|error| Ending::Failed { error }),
        1 => prop::option::of(".*").prop_map(|by| Ending::Cancelled { by }),
        1 => Just(Ending::Expired),
    ]
}

fn any_run() -> impl Strategy<Value = EndedRun> {
    let asked = prop_oneof![
        Just(Asked::Full),
        Just(Asked::Delta),
        Just(Asked::Preview),
        Just(Asked::Manual),
        Just(Asked::Deprovision)
    ];
    let texts = (".*", prop::option::of(".*"), prop::option::of(".*"), ".*");
    let change = prop::option::of(prop::sample::select(Change::ALL.to_vec()));
    let before = (change, any::<bool>());
    (asked, any::<bool>(), texts, any_ending(), any_counts(), before).prop_map(
        |(
            asked,
            read_everything,
            (connection, reason, removals_note, requested_by),
            ending,
            counts,
            before,
        )| {
            EndedRun {
                id: RunId(uuid::Uuid::nil()),
                connection,
                asked,
                read_everything: read_everything || asked != Asked::Delta,
                reason,
                requested_by,
                ending,
                counts,
                failed_ignored: 0,
                removals_note,
                removed: None,
                held_first: Vec::new(),
                before: Before {
                    health: before.0.map(health),
                    just_a_try: false,
                    records_failed_lately: before.1,
                },
            }
        },
    )
}

/// Adds up the rows of a letter's table; the last row is the sum.
fn table(body: &str) -> Vec<u32> {
    let number = |line: &str| {
        line.split_whitespace()
            .nth(1)
            .unwrap()
            .replace(',', "")
            .parse()
            .unwrap()
    };
    body.lines()
        .skip_while(|line| !line.starts_with("  added"))
        .take(8)
        .map(number)
        .collect()
}

proptest! {
    #[test]
    fn whatever_happens_titles_are_one_line_and_kinds_differ(run in any_run(), mail_on_completion: bool) {
        let telling = tell(&run, Manner { mail_on_completion, console: None });
        let mut kinds = kinds(&telling);
        kinds.dedup();
        prop_assert_eq!(kinds.len(), telling.notices.len());
        let subject = telling.letter.iter().map(|letter| &letter.subject);
        for line in telling.notices.iter().map(|notice| &notice.title).chain(subject) {
            prop_assert!(!line.chars().any(char::is_control), "{:?}", line);
            prop_assert!(line.chars().count() <= 200);
        }
        for notice in &telling.notices {
            prop_assert!(!notice.body.is_empty() && notice.body.chars().count() < 20_000);
        }
    }

    #[test]
    fn a_connection_that_goes_on_as_it_was_gets_no_mail_but_completions(run in any_run()) {
        let before = Before { records_failed_lately: true, ..Before::default() };
        let run = EndedRun { before, ..run };
        prop_assert_eq!(tell(&run, NO_COMPLETION).letter, None);
    }

    #[test]
    fn the_table_of_a_letter_adds_up(counts in any_counts()) {
        let run = EndedRun { counts, ..run(Asked::Full, Ending::Finished) };
        let rows = table(&tell(&run, MANNER).letter.unwrap().body);
        let (sum, parts) = rows.split_last().unwrap();
        prop_assert_eq!(parts.iter().sum::<u32>(), *sum);
        prop_assert_eq!(*sum, counts.seen + counts.gone);
    }

    #[test]
    fn a_csv_goes_along_exactly_when_someone_failed(run in any_run()) {
        if let Some(letter) = tell(&run, MANNER).letter {
            let has_outcomes = matches!(run.ending, Ending::Finished | Ending::Planned);
            prop_assert_eq!(letter.attach_failed, has_outcomes && run.counts.failed > 0);
            prop_assert_eq!(letter.body.contains("attached CSV"), letter.attach_failed);
        }
    }
}
