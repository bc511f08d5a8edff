//! CSV files beside the sync: the same rules, whatever the file looks like (I11).

use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use contracts::v1::accounts_client::AccountsClient;
use contracts::v1::{Account, AccountRow, ImportAccountsRequest, RunKind};
use harness::people::hire;
use harness::register::field;
use harness::site::Site;
use harness::world::World;
use serde_json::{Value, json};

/// An organization with nothing in it.
async fn empty() -> World {
    World::bare(Site::shared().await, harness::people::nobody()).await
}

async fn import(world: &World, file: &Path, more: &[&str]) -> Value {
    let args = [&["import", "csv", file.to_str().unwrap()], more].concat();
    world.cli_json(&args).await
}

/// The dry run must say what the import then says.
async fn import_twice_told(world: &World, csv: &str, more: &[&str]) -> Value {
    let file = world.file("rows.csv", csv);
    let before = world.accounts().await;
    let dry = import(world, &file, &[more, &["--dry-run"]].concat()).await;
    assert_eq!(world.accounts().await, before, "a dry run writes nothing");
    let done = import(world, &file, more).await;
    assert_eq!(dry, done, "a dry run says the same");
    done
}

fn told(answer: &Value) -> [u64; 4] {
    ["added", "updated", "unchanged", "failed"].map(|count| answer[count].as_u64().unwrap())
}

/// Why this line failed.
fn reason(answer: &Value, line: u64) -> &str {
    let failures = answer["failures"].as_array().unwrap();
    let found = failures.iter().find(|failure| failure["line"] == line);
    found.unwrap_or_else(|| panic!("line {line} did not fail: {answer}"))["reason"]
        .as_str()
        .unwrap()
}

fn bytes_file(world: &World, bytes: &[u8]) -> PathBuf {
    let path = world.file("bytes.csv", "");
    std::fs::write(&path, bytes).unwrap();
    path
}

fn utf16(text: &str, big: bool) -> Vec<u8> {
    let units = text.encode_utf16();
    units
        .flat_map(|unit| {
            if big {
                unit.to_be_bytes()
            } else {
                unit.to_le_bytes()
            }
        })
        .collect()
}

#[tokio::test]
async fn i11_every_delimiter_in_every_encoding_is_the_same_file() {
    let world = empty().await;
    // All of these characters are in Windows-1252, too.
    let rows = [
        ["Name", "LOGIN", "e-mail", "Job Title"],
        ["Zoë Åström", "zoe", "zoe@contoso.com", "\"Head, of; all|\ttabs\""],
    ];
    let encoders: [fn(&str) -> Vec<u8>; 6] = [
        |text| text.as_bytes().to_vec(),
        |text| format!("\u{feff}{text}").into_bytes(),
        |text| utf16(&format!("\u{feff}{text}"), false),
        |text| utf16(&format!("\u{feff}{text}"), true),
        |text| utf16(text, false),
        |text| {
            text.chars()
                .map(|c| u8::try_from(u32::from(c)).unwrap())
                .collect()
        },
    ];
    let mut first = true;
    for (number, delimiter) in [",", ";", "\t", "|"].into_iter().enumerate() {
        for (encoding, encode) in encoders.iter().enumerate() {
            // Every end of lines meets every delimiter and every encoding.
            let end = ["\n", "\r\n", "\r"][(number + encoding) % 3];
            let text: String = rows.map(|row| row.join(delimiter) + end).concat();
            let file = bytes_file(&world, &encode(&text));
            let answer = import(&world, &file, &[]).await;
            let expected = if first { [1, 0, 0, 0] } else { [0, 0, 1, 0] };
            assert_eq!(
                told(&answer),
                expected,
                "{delimiter:?} {end:?} encoding {encoding}: {answer}"
            );
            first = false;
        }
    }
    let account = world.account("zoe").await;
    assert_eq!(account.name, "Zoë Åström");
    assert_eq!(field(&account, "jobTitle"), "Head, of; all|\ttabs");
}

#[tokio::test]
async fn i11_what_the_file_does_not_tell_is_said_by_options_and_notes() {
    let world = empty().await;
    let latin = bytes_file(&world, b"name,login\nJos\xe9,jose\n");
    let noted = world.cli_run(&["import", "csv", latin.to_str().unwrap()]).await;
    assert!(
        noted.code == 0 && noted.stderr.contains("line 2") && noted.stderr.contains("windows-1252"),
        "{noted:?}"
    );
    assert_eq!(world.account("jose").await.name, "José");
    let polish = bytes_file(&world, b"name;login,x\n\xb3uk;luk\n");
    let path = polish.to_str().unwrap();
    let taken = world
        .cli_run(&[
            "import",
            "csv",
            path,
            "--encoding",
            "iso-8859-2",
            "--delimiter",
            ";",
        ])
        .await;
    assert!(
        taken.code == 1 && taken.stderr.contains("login,x"),
        "the delimiter was taken as it was said: {taken:?}"
    );
    let polish = bytes_file(&world, b"name;login\n\xb3uk;luk\n");
    import(&world, &polish, &["--encoding", "iso-8859-2"]).await;
    assert_eq!(world.account("luk").await.name, "łuk");
    let excel = world.file("excel.csv", "sep=;\r\nname;login\r\n\"A,B,C,D\";abc\r\n");
    assert_eq!(told(&import(&world, &excel, &[]).await), [1, 0, 0, 0]);
    for (option, value) in [("--delimiter", "x"), ("--encoding", "ebcdic")] {
        let refused = world
            .cli_run(&["import", "csv", excel.to_str().unwrap(), option, value])
            .await;
        assert!(
            refused.code == 2 && refused.stderr.contains(option),
            "{refused:?}"
        );
    }
}

#[tokio::test]
async fn i11_quotes_line_breaks_and_lines_are_as_the_standard_has_them() {
    let world = empty().await;
    let csv = "name,login,jobTitle\r\n\"Ann \"\"the\r\nBoss\"\"\",ann,\"\"\r\n\r\n,bob,x\r\n\"Cid\nX\",cid,\"a,b\"\r\nDan,dan\r\n";
    let answer = import_twice_told(&world, csv, &[]).await;
    assert_eq!(told(&answer), [2, 0, 0, 2], "{answer}");
    assert!(reason(&answer, 5).contains("name"), "{answer}");
    assert!(reason(&answer, 8).contains("2 cells"), "{answer}");
    assert_eq!(world.account("ann").await.name, "Ann \"the\r\nBoss\"");
    assert_eq!(field(&world.account("cid").await, "jobTitle"), "a,b");
    let failed = world.file("failed.csv", "");
    let file = world.file("rows.csv", csv);
    import(&world, &file, &["--failed", failed.to_str().unwrap()]).await;
    let text = std::fs::read_to_string(&failed).unwrap();
    assert!(text.contains(",bob,x,name: it is empty"), "{text}");
    let corrected = world.file(
        "corrected.csv",
        &text
            .replace("\n,bob", "\nBob,bob")
            .replace("Dan,dan,", "Dan,dan,,"),
    );
    assert_eq!(
        told(&import(&world, &corrected, &[]).await),
        [2, 0, 0, 0],
        "{text}"
    );
}

#[tokio::test]
async fn i11_columns_are_refused_before_anything_is_sent() {
    let world = empty().await;
    for (header, told) in [
        ("name,login,e_mial", "did you mean \"email\"?"),
        ("name,login,NAME", "is there twice"),
        ("name,domain", "login or upn"),
        ("login,upn", "name"),
        ("name,login,shoe size", "shoe size"),
    ] {
        let file = world.file("wrong.csv", &format!("{header}\na,b,c\n"));
        let answer = world.cli_run(&["import", "csv", file.to_str().unwrap()]).await;
        assert!(
            answer.code == 1 && answer.stderr.contains(told),
            "{header}: {answer:?}"
        );
    }
    let file = world.file("rows.csv", "name,login\nAnn,ann\n");
    let answer = world
        .cli_run(&["import", "csv", file.to_str().unwrap(), "--mapping", "nobody"])
        .await;
    assert!(
        answer.code == 1 && answer.stderr.contains("mapping") && answer.stderr.contains("nobody"),
        "{answer:?}"
    );
    assert!(world.accounts().await.is_empty());
}

const REGISTER: &str = "name,login,domain,email,upn,lookupGuid";

#[tokio::test]
async fn i11_a_row_takes_an_account_by_each_of_the_rules() {
    let anchor = "AwIBAAUEBwYICQoLDA0ODw==";
    let guid = "00010203-0405-0607-0809-0A0B0C0D0E0F";
    for (before, header, row, more) in [
        (
            "Old,x,a.example,,ann@corp.local,",
            "onPremisesUpn,login",
            "ANN@corp.local,ann",
            &[][..],
        ),
        ("Old,x,a.example,,ann@corp.local,", "upn", "ann@CORP.local", &[]),
        (
            &format!("Old,x,a.example,,,{guid}"),
            "onPremisesImmutableId,login",
            &format!("{anchor},ann"),
            &[],
        ),
        (
            &format!("Old,x,a.example,,,{guid}"),
            "lookup_guid,login",
            &format!("{guid},ann"),
            &[],
        ),
        (
            "Old,ann,CORP,,,",
            "onPremisesDomain,onPremisesLogin,login",
            "corp,ANN,other",
            &[],
        ),
        ("Old,Ann,Contoso.com,,,", "login,domain", "ann,contoso.com", &[]),
        ("Old,ann,,,,", "login,domain", "ann,contoso.com", &[]),
        (
            "Old,x,a.example,ann@contoso.com,,",
            "email,login",
            "Ann@contoso.com,ann",
            &["--override-by-email"],
        ),
    ] {
        let world = empty().await;
        world.import(&format!("{REGISTER}\n{before}\n")).await;
        let old = world.accounts().await.remove(0);
        let csv = format!("name,{header}\nNew,{row}\n");
        let answer = import_twice_told(&world, &csv, more).await;
        assert_eq!(told(&answer), [0, 1, 0, 0], "{header}: {answer}");
        let accounts = world.accounts().await;
        assert_eq!(accounts.len(), 1, "{header}: {accounts:#?}");
        assert_eq!(
            (accounts[0].id.as_str(), accounts[0].name.as_str()),
            (old.id.as_str(), "New")
        );
        let again = import_twice_told(&world, &csv, more).await;
        assert_eq!(
            told(&again),
            [0, 0, 1, 0],
            "{header}: importing again changes nothing: {again}"
        );
    }
    let world = empty().await;
    world
        .import(&format!("{REGISTER}\nOld,x,a.example,ann@contoso.com,,\n"))
        .await;
    let answer = import_twice_told(&world, "name,email,login\nNew,ann@contoso.com,ann\n", &[]).await;
    assert_eq!(told(&answer), [1, 0, 0, 0], "rule 6 is off: {answer}");
}

#[tokio::test]
async fn i11_whoever_could_be_two_fails_with_both_names_and_nothing_is_doubled() {
    let world = empty().await;
    world
        .import(&format!(
            "{REGISTER}\nFirst,x1,a.example,,ann@corp.local,\nSecond,x2,b.example,,,guid-2\nDesk,desk,,,,\nStrong,strong,contoso.com,,,\n"
        ))
        .await;
    // The two of a pair are in different messages.
    let mut csv = "name,login,domain,onPremisesUpn,lookupGuid\nBoth,ann,contoso.com,ann@corp.local,guid-2\n\
                   North,desk,contoso.com,,\nTwin,twin,contoso.com,,\nWeak,other,contoso.com,,\n"
        .to_owned();
    for number in 0..2_400 {
        writeln!(csv, "Filler {number},filler{number},contoso.com,,").unwrap();
    }
    csv.push_str("South,desk,fabrikam.example,,\nTwin Two,TWIN,contoso.com,,\nThird,x3,c.example,,\n");
    let answer = import_twice_told(&world, &csv, &[]).await;
    assert_eq!(told(&answer), [2_402, 0, 0, 5], "{answer}");
    let both = reason(&answer, 2);
    assert!(
        both.contains("rule 2") && both.contains("ann@corp.local") && both.contains("b.example\\x2"),
        "{both}"
    );
    for (line, other) in [(3, 2406), (2406, 3)] {
        let why = reason(&answer, line);
        assert!(
            why.contains("rule 5") && why.contains("desk") && why.contains(&format!("line {other}")),
            "{why}"
        );
    }
    for (line, other) in [(4, 2407), (2407, 4)] {
        let why = reason(&answer, line);
        assert!(
            why.contains("login and domain") && why.contains(&format!("line {other}")),
            "{why}"
        );
    }
    assert!(world.accounts_of("twin").await.is_empty());
    assert_eq!(world.account("desk").await.name, "Desk");
    let again = import_twice_told(&world, &csv, &[]).await;
    assert_eq!(told(&again), [0, 0, 2_402, 5], "{again}");
}

#[tokio::test]
async fn i11_the_stronger_rule_wins_and_a_taken_login_fails() {
    let world = empty().await;
    world
        .import(&format!(
            "{REGISTER}\nAnn,ann,contoso.com,,ann@corp.local,\nBob,bob,contoso.com,,,\n"
        ))
        .await;
    let csv = "name,login,domain,onPremisesUpn\nBy Login,ann,contoso.com,\nBy Upn,ann2,contoso.com,ann@corp.local\n";
    let answer = import_twice_told(&world, csv, &[]).await;
    assert_eq!(told(&answer), [0, 1, 0, 1], "{answer}");
    let lost = reason(&answer, 2);
    assert!(
        lost.contains("rule 4") && lost.contains("line 3") && lost.contains("rule 2"),
        "{lost}"
    );
    assert_eq!(world.account("ann2").await.name, "By Upn");
    let taken = "name,login,domain,onPremisesUpn\nThief,bob,contoso.com,ann@corp.local\n";
    let answer = import_twice_told(&world, taken, &[]).await;
    assert_eq!(told(&answer), [0, 0, 0, 1], "{answer}");
    assert!(reason(&answer, 2).contains("bob@contoso.com"), "{answer}");
    assert_eq!(world.account("bob").await.name, "Bob");
}

fn fields_of(account: &Account) -> [&str; 4] {
    [
        &account.name,
        field(account, "company"),
        field(account, "jobTitle"),
        field(account, "city"),
    ]
    .map(|text| text)
}

#[tokio::test]
async fn i11_a_mapping_gives_constants_defaults_authorities_and_the_role() {
    let mapping = "role: technician
overrideByEmail: true
fields:
  - { field: name,     attribute: displayName }
  - { field: login,    attribute: userPrincipalName.local }
  - { field: domain,   attribute: userPrincipalName.domain }
  - { field: company,  constant: Contoso }
  - { field: jobTitle, attribute: jobTitle, default: unknown, authority: onCreate }
  - { field: city,     attribute: city, authority: ifEmpty }
  - { field: phone,    attribute: mobilePhone, authority: never }
";
    let world = World::with("", mapping).await;
    let more = ["--mapping", "contoso-staff"];
    let csv = "name,login,domain,email,job_title,city,phone,company\nAnn,ann,contoso.com,ann@contoso.com,,,1,Other\n";
    let answer = import_twice_told(&world, csv, &more).await;
    assert_eq!(told(&answer), [1, 0, 0, 0], "{answer}");
    let account = world.account("ann").await;
    assert_eq!(fields_of(&account), ["Ann", "Contoso", "unknown", ""]);
    assert_eq!(
        (account.role(), field(&account, "phone")),
        (contracts::v1::Role::Technician, "")
    );
    // By e-mail, because the mapping says so; onCreate and never are not taken, ifEmpty once.
    let csv =
        "name,login,domain,email,jobTitle,city,phone\nAnna,anna,contoso.com,ann@contoso.com,Boss,Oslo,2\n";
    assert_eq!(told(&import_twice_told(&world, csv, &more).await), [0, 1, 0, 0]);
    let csv = csv.replace("Oslo", "Rome");
    assert_eq!(told(&import_twice_told(&world, &csv, &more).await), [0, 0, 1, 0]);
    let account = world.account("anna").await;
    assert_eq!(fields_of(&account), ["Anna", "Contoso", "unknown", "Oslo"]);
    assert_eq!(field(&account, "phone"), "");
}

#[tokio::test]
async fn i11_what_the_directory_keeps_stays_and_is_told() {
    let fields = "fields:
  - { field: name,  attribute: displayName }
  - { field: login, attribute: userPrincipalName.local }
  - { field: email, attribute: mail }
  - { field: city,  attribute: city, authority: ifEmpty }
";
    let world = World::with("", fields).await;
    hire(&world.tenant, "ann", json!({"city": "Oslo"}));
    world.full().await;
    let csv = "name,login,domain,city,cost_center,role\nSomeone,ann,contoso.com,Rome,42,technician\n";
    let answer = import_twice_told(&world, csv, &[]).await;
    assert_eq!(
        (told(&answer), &answer["kept"]),
        ([0, 1, 0, 0], &json!(1)),
        "{answer}"
    );
    let note = answer["notes"][0]["reason"].as_str().unwrap();
    assert!(
        note.contains("name of ann@contoso.com") && note.contains("connection contoso"),
        "{note}"
    );
    let shown = world.account("ann").await;
    assert_eq!((shown.name.as_str(), field(&shown, "city")), ("Ann", "Rome"));
    assert_eq!(field(&shown, "costCenter"), "42");
    world.run_to_end(RunKind::Full).await;
    let after = world.account("ann").await;
    assert_eq!(
        (field(&after, "city"), field(&after, "costCenter")),
        ("Rome", "42")
    );
    assert_eq!(after.role(), contracts::v1::Role::Technician);
}

#[tokio::test]
async fn i11_an_import_that_breaks_off_writes_nothing() {
    let world = empty().await;
    let message = |column: &str| ImportAccountsRequest {
        rows: (2..502)
            .map(|line| AccountRow {
                line,
                values: [
                    ("name".to_owned(), "x".to_owned()),
                    (column.to_owned(), format!("p{line}")),
                ]
                .into(),
            })
            .collect(),
        ..ImportAccountsRequest::default()
    };
    let messages = [message("login"), message("login"), message("shoe")];
    let mut client = AccountsClient::new(world.channel());
    let mut call = tonic::Request::new(tokio_stream::iter(messages));
    *call.metadata_mut() = world.call(()).metadata().clone();
    let mut answers = client.import_accounts(call).await.unwrap().into_inner();
    let broken = answers.message().await.unwrap_err();
    assert!(broken.message().contains("shoe"), "{broken}");
    assert!(world.accounts().await.is_empty());
    let whole = ImportAccountsRequest {
        rows: message("login").rows,
        ..ImportAccountsRequest::default()
    };
    let mut call = tonic::Request::new(tokio_stream::iter([whole]));
    *call.metadata_mut() = world.call(()).metadata().clone();
    let mut answers = client.import_accounts(call).await.unwrap().into_inner();
    let answer = answers.message().await.unwrap().unwrap();
    assert_eq!((answer.added, answer.failed), (500, 0), "{answer:?}");
    assert_eq!(answers.message().await.unwrap(), None, "there is one answer");
}

#[tokio::test]
async fn i11_many_rows_come_in_once_and_are_noted() {
    const ROWS: usize = 5_000;
    let site = Site::shared().await;
    let world = empty().await;
    let mut csv = "name,login,domain,upn,city\n".to_owned();
    for number in 0..ROWS {
        writeln!(
            csv,
            "Person {number},p{number},contoso.com,p{number}@contoso.com,Oslo"
        )
        .unwrap();
    }
    let file = world.file("many.csv", &csv);
    let all = u64::try_from(ROWS).unwrap();
    assert_eq!(told(&import(&world, &file, &[]).await), [all, 0, 0, 0]);
    assert_eq!(told(&import(&world, &file, &[]).await), [0, 0, all, 0]);
    let file = world.file("many.csv", &csv.replacen("Oslo", "Rome", 3));
    assert_eq!(told(&import(&world, &file, &[]).await), [0, 3, all - 3, 0]);
    let organization = world.organization;
    let counted = format!("SELECT count(*) FROM account WHERE organization_id = '{organization}'");
    assert_eq!(site.sql(&counted).await.trim(), ROWS.to_string());
    let left = format!("SELECT count(*) FROM import_page WHERE organization_id = '{organization}'");
    assert_eq!(site.sql(&left).await.trim(), "0");
    let audit = format!(
        "SELECT actor, subject, after->>'added' FROM audit WHERE organization_id = '{organization}' AND action = 'accounts.import' ORDER BY id"
    );
    let audit = site.sql(&audit).await;
    assert!(audit.starts_with("token tester|many.csv|5000"), "{audit}");
    let events = format!(
        "SELECT count(*) FROM outbox WHERE organization_id = '{organization}' AND subject LIKE '%register.changed%'"
    );
    assert_eq!(
        site.sql(&events).await.trim(),
        "2",
        "what changed nothing is no event"
    );
}
