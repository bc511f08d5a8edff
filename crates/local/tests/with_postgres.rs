//! `rollcall-local with-postgres`, as `make test` uses it.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};
use std::time::Duration;

use local::postgres::Access;
use local::{test_database, wait};

fn with_postgres(script: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_rollcall-local"));
    command.args(["with-postgres", "sh", "-c", script]);
    command
}

#[test]
fn the_commands_exit_code_is_ours() {
    assert_eq!(with_postgres("exit 7").status().unwrap().code(), Some(7));
    assert_eq!(with_postgres("exit 0").status().unwrap().code(), Some(0));
}

#[tokio::test]
async fn the_server_is_there_for_the_command_and_goes_even_when_we_are_killed() {
    let script = format!("echo \"${}\"; exec cat", test_database::VARIABLE);
    let mut command = with_postgres(&script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(command.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let access = Access::from_text(line.trim()).unwrap();
    assert_eq!(access.sql("postgres", "SELECT 1").await.unwrap(), "1");

    command.kill().unwrap();
    command.wait().unwrap();
    let address = access
        .url("")
        .rsplit('@')
        .next()
        .unwrap()
        .trim_end_matches('/')
        .to_owned();
    let gone = || Ok::<_, std::io::Error>(std::net::TcpStream::connect(&address).is_err().then_some(()));
    assert!(
        wait::until(Duration::from_secs(20), gone)
            .await
            .unwrap()
            .is_some()
    );
}
