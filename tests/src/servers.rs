//! Servers of a test's own, which it may kill and hold still, by `examples/servers/servers`.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::symlink,
    path::Path,
    process::{Child, Command, Stdio},
    sync::{Mutex, PoisonError},
};

/// What a variable says of the servers that run already, such as `PANDAFLOW_TEST_KAFKA`. `None` if it is not set: then this
/// machine has none, and the test is skipped and says so.
#[must_use]
pub fn given(variable: &str) -> Option<String> {
    let value = env::var(variable).ok().filter(|value| !value.is_empty());
    if value.is_none() {
        let test = std::thread::current().name().unwrap_or_default().to_owned();
        // A test's outcome does not depend on whether anybody reads this.
        let _ = writeln!(io::stderr(), "{test} is skipped: {variable} is not set; tests/run sets it");
    }
    value
}

/// Held while a server is started.
static STARTING: Mutex<()> = Mutex::new(());

/// A set of servers in a folder of its own; deleted at the end.
#[derive(Debug)]
pub struct Servers {
    folder: tempfile::TempDir,
}

impl Servers {
    /// None is started yet. `None` if `variable` is not set: then this machine has none, and the test is skipped and says so.
    ///
    /// # Panics
    /// If no folder can be made.
    #[must_use]
    pub fn where_given(variable: &str) -> Option<Self> {
        given(variable)?;
        let servers = Self { folder: tempfile::tempdir().expect("a folder can be made") };
        servers.share_jars();
        Some(servers)
    }

    /// Kafka's jars are those of the servers that were given, where they can be: they are large.
    fn share_jars(&self) {
        let Some(jars) = env::var_os("PANDAFLOW_TEST_KAFKA_LIBS") else { return };
        let folder = self.folder.path().join("kafka");
        let shared = fs::create_dir_all(&folder).and_then(|()| symlink(jars, folder.join("libs")));
        // Otherwise they are fetched.
        if let Err(error) = shared {
            let _ = writeln!(io::stderr(), "Kafka's jars can't be shared: {error}");
        }
    }

    /// The same as [`Servers::run`], without waiting for it. Commands on these servers wait for each other.
    ///
    /// # Panics
    /// If the script can't be run.
    #[must_use]
    pub fn begin(&self, what: &str, server: &str) -> Child {
        self.command(&[what, server]).spawn().expect("the script runs")
    }

    /// `servers WHAT SERVER`, such as `start redis`, `kill redis` or `pause redis`.
    ///
    /// # Panics
    /// If it fails; its message is shown.
    pub fn run(&self, what: &str, server: &str) {
        // Two that start at once may pick one free port.
        let _one =
            ["start", "up"].contains(&what).then(|| STARTING.lock().unwrap_or_else(PoisonError::into_inner));
        assert!(
            self.command(&[what, server]).status().is_ok_and(|status| status.success()),
            "{what} {server}"
        );
    }

    /// The address that the servers gave for a variable, such as `PANDAFLOW_TEST_REDIS`.
    ///
    /// # Panics
    /// If its server was never started.
    #[must_use]
    pub fn address(&self, variable: &str) -> String {
        let output = self.command(&["env"]).stdout(Stdio::piped()).output().expect("the script runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        let line = text.lines().find_map(|line| line.strip_prefix(&format!("export {variable}=")));
        line.unwrap_or_else(|| panic!("{variable} is not among:\n{text}")).trim_matches('\'').to_owned()
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/servers/servers");
        let mut command = Command::new(script);
        command.arg("--dir").arg(self.folder.path()).args(arguments);
        command
    }
}

impl Drop for Servers {
    fn drop(&mut self) {
        if !self.command(&["down", "--wipe"]).status().is_ok_and(|status| status.success()) {
            log_left_over(self.folder.path());
        }
    }
}

fn log_left_over(folder: &Path) {
    // The test that ends here tells more than this could.
    let _ = writeln!(io::stderr(), "servers may still run in {}", folder.display());
}
