//! `completion`: the completion script of a shell.

use clap::{CommandFactory, ValueEnum};

use crate::command::Cli;
use crate::failure::Failure;
use crate::output::print;

const EXAMPLES: &str = "\
Examples:
  rollcall completion bash > /etc/bash_completion.d/rollcall
  rollcall completion zsh > ~/.zfunc/_rollcall
  rollcall completion fish > ~/.config/fish/completions/rollcall.fish";

/// Which shell.
#[derive(clap::Args)]
#[command(after_help = EXAMPLES)]
pub struct Args {
    #[arg(value_enum)]
    shell: Shell,
}

#[derive(Clone, Copy, ValueEnum)]
enum Shell {
    Bash,
    Zsh,
    Fish,
}

/// Prints the script.
pub fn run(args: &Args) -> Result<(), Failure> {
    print(&script(args.shell))
}

fn script(shell: Shell) -> String {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    let mut script = Vec::new();
    clap_complete::generate(shell, &mut Cli::command(), "rollcall", &mut script);
    String::from_utf8_lossy(&script).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scripts_know_the_commands() {
        for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
            let script = script(shell);
            assert!(script.contains("disconnect") && script.contains("approve"));
        }
    }
}
