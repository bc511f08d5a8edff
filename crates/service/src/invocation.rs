//! How a program was started: its arguments and its configuration, which may end it at once.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Arg, ArgAction, Args, Command, FromArgMatches};
use serde::de::DeserializeOwned;

use crate::config::{self, CHASSIS_DEFAULTS, Environment, FILE_VARIABLE, GrpcServerConfig, Loaded, Sources};
use crate::error::chain;
use crate::grpc;

/// `EX_USAGE` of sysexits: the configuration is wrong and a restart will not mend it.
const EXIT_CONFIG: u8 = 64;

#[derive(Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of the command line")]
struct Arguments {
    /// Configuration file (TOML); the variable `ROLLCALL_CONFIG` can name it too.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Reads the configuration, says OK or what is wrong, and exits.
    #[arg(long)]
    check_config: bool,
    /// Prints every setting with its default and exits.
    #[arg(long)]
    print_defaults: bool,
    /// Prints what every setting is and means, as Markdown, and exits.
    #[arg(long)]
    print_reference: bool,
    /// Asks the process that runs with this configuration whether it serves, says so, and exits with 0 if it does.
    #[arg(long)]
    health: bool,
    /// Writes the addresses listened on to this file, as JSON.
    #[arg(long, value_name = "FILE")]
    address_file: Option<PathBuf>,
}

/// A start that is to go on.
pub(crate) struct Invocation<C> {
    pub(crate) name: &'static str,
    pub(crate) loaded: Loaded<C>,
    pub(crate) environment: Environment,
    /// Whether the flag of the program's errand was given.
    pub(crate) errand: bool,
}

impl<C: DeserializeOwned> Invocation<C> {
    /// Reads arguments and configuration; `Err` where that is all there was to do, or where they can't be used. `errand` is
    /// the program's own flag and what it does.
    pub(crate) fn read(
        name: &'static str,
        defaults: &'static str,
        errand: Option<(&'static str, &'static str)>,
    ) -> Result<Self, ExitCode> {
        let (arguments, errand) = arguments(name, errand);
        if arguments.print_defaults {
            println!("{CHASSIS_DEFAULTS}\n{defaults}");
            return Err(ExitCode::SUCCESS);
        }
        if arguments.print_reference {
            return Err(print_reference::<C>(name, defaults));
        }
        let environment = Environment::of_process();
        let file = arguments
            .config
            .or_else(|| environment.get(FILE_VARIABLE).map(PathBuf::from));
        let sources = Sources {
            defaults,
            file: file.as_deref(),
            environment: &environment,
        };
        let mut loaded: Loaded<C> = config::load(sources).map_err(|error| {
            eprintln!("{name}: {}", chain(&error));
            ExitCode::from(EXIT_CONFIG)
        })?;
        if arguments.check_config {
            println!("OK");
            return Err(ExitCode::SUCCESS);
        }
        if arguments.health {
            return Err(ask_health(name, &loaded.chassis.grpc));
        }
        if arguments.address_file.is_some() {
            loaded.chassis.process.address_file = arguments.address_file;
        }
        Ok(Self {
            name,
            loaded,
            environment,
            errand,
        })
    }
}

fn print_reference<C: DeserializeOwned>(name: &str, defaults: &str) -> ExitCode {
    match config::reference::<C>(name, defaults) {
        Ok(reference) => {
            print!("{reference}");
            ExitCode::SUCCESS
        }
        Err(problems) => {
            eprintln!("{name}: {problems}");
            ExitCode::FAILURE
        }
    }
}

/// Asks the process beside this one, which must say that it serves.
fn ask_health(name: &'static str, config: &GrpcServerConfig) -> ExitCode {
    let asked = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .context("cannot start the async runtime")
        .and_then(|runtime| Ok(runtime.block_on(grpc::ask(config))?));
    match asked {
        Ok(()) => {
            println!("serving");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("{name}: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// The arguments, and whether the errand's flag is among them. Wrong ones end the process, as clap does.
fn arguments(name: &'static str, errand: Option<(&'static str, &'static str)>) -> (Arguments, bool) {
    let command = Command::new(format!("rollcall-{name}"))
        .version(env!("CARGO_PKG_VERSION"))
        .about("A service of Rollcall.");
    let mut command = Arguments::augment_args(command);
    if let Some((flag, about)) = errand {
        let flag = Arg::new(flag).long(flag).help(about).action(ArgAction::SetTrue);
        command = command.arg(flag);
    }
    let matches = command.get_matches();
    let asked = errand.is_some_and(|(flag, _)| matches.get_flag(flag));
    match Arguments::from_arg_matches(&matches) {
        Ok(arguments) => (arguments, asked),
        Err(error) => error.exit(),
    }
}
