//! A directory that holds what the image holds and nothing else, and its programs with it for their root.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use local::process::{Program, StopWith};
use local::user::User;
use tempfile::TempDir;

use super::compose_file::Variables;
use super::{PROGRAM, SERVICES, USER};

/// The program as the image has it: `make image-check` builds it and sets this. Without it, that of the tests' own build is
/// started.
const VARIABLE: &str = "IMAGE_OF_ROLLCALL";

/// Where the base image, as Debian, has them.
const AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";

/// What the image has of libraries: those of Debian's libc6, from the base, and libgcc beside the program.
const LIBRARIES: [&str; 8] = [
    "ld-linux-aarch64.so.1",
    "ld-linux-x86-64.so.2",
    "libc.so.6",
    "libdl.so.2",
    "libgcc_s.so.1",
    "libm.so.6",
    "libpthread.so.0",
    "librt.so.1",
];

/// Where the program is.
pub(super) enum Build {
    /// As in the image.
    Image(PathBuf),
    /// As the tests were built.
    Tests(PathBuf),
}

impl Build {
    pub(super) fn of_this_run() -> Self {
        let build = match std::env::var_os(VARIABLE) {
            Some(program) => Self::Image(program.into()),
            None => Self::Tests(local::binaries::find(PROGRAM).unwrap()),
        };
        let program = build.program().display();
        assert!(
            build.program().is_file(),
            "{program} is missing: make image-check builds it"
        );
        build
    }

    fn program(&self) -> &Path {
        match self {
            Self::Image(program) | Self::Tests(program) => program,
        }
    }
}

/// The directory. Nobody may write to it, but for us when it goes.
pub(super) struct EmptyRoot(TempDir);

impl EmptyRoot {
    pub(super) fn new(build: &Build) -> Self {
        let program = build.program();
        // Beside the program, which is linked into it: it is large.
        let folder = tempfile::Builder::new()
            .prefix("empty-root-")
            .tempdir_in(program.parent().unwrap())
            .unwrap();
        let root = Self(folder);
        std::fs::hard_link(program, root.place("/usr/local/bin/rollcall")).unwrap();
        for service in SERVICES {
            let name = root.place(&format!("/usr/local/bin/rollcall-{service}"));
            std::os::unix::fs::symlink("rollcall", name).unwrap();
        }
        for library in libraries_of(program) {
            let name = library.rsplit('/').next().unwrap();
            assert!(LIBRARIES.contains(&name), "the image has no {name}");
            std::fs::copy(&library, root.place(&library)).unwrap();
        }
        std::fs::copy(AUTHORITIES, root.place(AUTHORITIES)).unwrap();
        let passwd = format!(
            "root:x:0:0::/root:/sbin/nologin\nnonroot:x:{USER}:{USER}::/home/nonroot:/sbin/nologin\n"
        );
        std::fs::write(root.place("/etc/passwd"), passwd).unwrap();
        root.set_mode(0o555);
        root
    }

    /// The path of a file that is to be in it, its directory made.
    fn place(&self, inside: &str) -> PathBuf {
        let path = self.0.path().join(inside.trim_start_matches('/'));
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        path
    }

    fn set_mode(&self, mode: u32) {
        let mut folders = vec![self.0.path().to_owned()];
        while let Some(folder) = folders.pop() {
            std::fs::set_permissions(&folder, Permissions::from_mode(mode)).unwrap();
            let entries = std::fs::read_dir(&folder).unwrap();
            folders.extend(
                entries
                    .map(|entry| entry.unwrap().path())
                    .filter(|path| path.is_dir()),
            );
        }
    }

    /// The words that run a program of the image in it, as the image's user, with these variables and no others.
    fn words(&self, program: &str, args: &[&str], variables: &Variables) -> Vec<OsString> {
        let mut words: Vec<OsString> = vec!["-i".into(), "PATH=/usr/local/bin".into()];
        words.extend(
            variables
                .iter()
                .map(|(name, value)| format!("{name}={value}").into()),
        );
        let root = self.0.path().as_os_str();
        if User::instead_of_root().unwrap().is_some() {
            let user = format!("--userspec={USER}:{USER}");
            words.extend([
                "/usr/sbin/chroot".into(),
                user.into(),
                format!("--groups={USER}").into(),
                root.into(),
            ]);
        } else {
            // Without root this needs a system that lets everybody make a user namespace.
            let mut to = OsString::from("--root=");
            to.push(root);
            let maps = [format!("--map-user={USER}"), format!("--map-group={USER}")];
            words.extend(["/usr/bin/unshare".into(), "--user".into()]);
            words.extend(maps.map(OsString::from));
            words.extend([to, "--wd=/".into()]);
        }
        words.push(format!("/usr/local/bin/{program}").into());
        words.extend(args.iter().map(OsString::from));
        words
    }

    /// A program to run to its end.
    pub(super) fn command(&self, program: &str, args: &[&str], variables: &Variables) -> Command {
        let mut command = Command::new("/usr/bin/env");
        command.args(self.words(program, args, variables));
        command
    }

    /// A program that goes on.
    pub(super) fn program(&self, program: &str, variables: &Variables, log: PathBuf) -> Program {
        Program {
            name: program.to_owned(),
            path: "/usr/bin/env".into(),
            args: self.words(program, &[], variables),
            env: Vec::new(),
            log,
            user: None,
            stop_with: StopWith::Terminate,
            pid_file: None,
            scratch: None,
        }
    }
}

impl Drop for EmptyRoot {
    fn drop(&mut self) {
        self.set_mode(0o755);
    }
}

/// The paths of the libraries that a program is loaded with.
fn libraries_of(program: &Path) -> BTreeSet<String> {
    let output = Command::new("ldd").arg(program).output().unwrap();
    assert!(output.status.success(), "ldd {}", program.display());
    let found: BTreeSet<String> = String::from_utf8(output.stdout)
        .unwrap()
        .lines()
        .filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
        .map(str::to_owned)
        .collect();
    assert!(found.len() > 2, "{}: {found:?}", program.display());
    found
}
