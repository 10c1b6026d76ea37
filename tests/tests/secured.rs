//! The program at listeners that want a name, a certificate, or both; and what it says when something of that is wrong. Each error
//! is one, names its setting, comes within the time-out, and shows no secret.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(missing_docs, reason = "nobody calls a test")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use pandaflow_tests::{AlphaPanda, Report, given, shipped_feed};
use serde_json::Value;

const WRONG: &str = "hunter2-is-wrong";
/// The time-out that the errors have to come within, and what starting a program takes on a busy machine.
const TIMEOUT: (&str, Duration) = ("5s", Duration::from_secs(60));

/// What the servers told of themselves.
struct Listeners {
    sasl: String,
    tls: String,
    both: String,
    user: String,
    password: String,
    ca: String,
    redis: String,
}

fn listeners() -> Option<Listeners> {
    Some(Listeners {
        sasl: given("PANDAFLOW_TEST_KAFKA_SASL")?,
        tls: given("PANDAFLOW_TEST_KAFKA_TLS")?,
        both: given("PANDAFLOW_TEST_KAFKA_SASL_TLS")?,
        user: given("PANDAFLOW_TEST_KAFKA_USER")?,
        password: given("PANDAFLOW_TEST_KAFKA_PASSWORD")?,
        ca: given("PANDAFLOW_TEST_KAFKA_TLS_CA")?,
        redis: given("PANDAFLOW_TEST_REDIS")?,
    })
}

fn feed() -> Vec<PathBuf> {
    vec![shipped_feed("nse-yesbank-20190709-minute.zip")]
}

impl Listeners {
    fn program(&self, servers: &str, protocol: &str) -> AlphaPanda {
        AlphaPanda::on_kafka(&env::temp_dir(), &feed())
            .variable("REDIS__URL", &self.redis)
            .variable("KAFKA__BOOTSTRAP_SERVERS", servers)
            .variable("KAFKA__SECURITY_PROTOCOL", protocol)
            .variable("KAFKA__TIMEOUT", TIMEOUT.0)
            .variable("KAFKA__PREFIX", &format!("t{}-", uuid::Uuid::now_v7().simple()))
            .variable("API__BIND", "127.0.0.1:0")
            .variable("LOGGING__LEVEL", "debug")
    }

    fn log_in(&self, program: AlphaPanda, mechanism: &str, password: &str) -> AlphaPanda {
        program
            .variable("KAFKA__SASL_MECHANISM", mechanism)
            .variable("KAFKA__SASL_USERNAME", &self.user)
            .variable("KAFKA__SASL_PASSWORD", password)
    }

    fn over_sasl(&self, mechanism: &str, password: &str) -> AlphaPanda {
        self.log_in(self.program(&self.sasl, "sasl_plaintext"), mechanism, password)
    }

    fn over_tls(&self, ca: &str) -> AlphaPanda {
        self.program(&self.tls, "ssl").variable("KAFKA__SSL_CA_LOCATION", ca)
    }

    fn over_both(&self, mechanism: &str, password: &str) -> AlphaPanda {
        let program = self.program(&self.both, "sasl_ssl").variable("KAFKA__SSL_CA_LOCATION", &self.ca);
        self.log_in(program, mechanism, password)
    }
}

/// Runs a program that works, and sees that no secret is in what it says.
fn figures(program: &AlphaPanda, secret: &str) -> [Value; 2] {
    let report = program.run();
    assert_no_secret(&report, secret);
    let run = report.success();
    [run["accounts"].clone(), run["orders"].clone()]
}

fn assert_no_secret(report: &Report, secret: &str) {
    let told = format!("{}{}", report.stdout, report.stderr);
    assert!(secret.is_empty() || !told.contains(secret), "{told}");
}

fn embedded() -> [Value; 2] {
    let folder = tempfile::tempdir().unwrap();
    let program = AlphaPanda::on(&folder.path().join("data"), &feed()).variable("API__BIND", "127.0.0.1:0");
    figures(&program, "")
}

#[test]
fn the_pipeline_runs_over_sasl_plain_and_both_kinds_of_scram() {
    let Some(listeners) = listeners() else { return };
    let plain = embedded();
    for mechanism in ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"] {
        let program = listeners.over_sasl(mechanism, &listeners.password);
        // Librdkafka's own lines are read as well, all that it has.
        let program = program.variable("KAFKA__PROPERTY__DEBUG", "security,conf,broker");
        assert_eq!(figures(&program, &listeners.password), plain, "{mechanism}");
    }
}

#[test]
fn the_pipeline_runs_over_tls_and_over_sasl_in_tls() {
    let Some(listeners) = listeners() else { return };
    let plain = embedded();
    assert_eq!(figures(&listeners.over_tls(&listeners.ca), ""), plain);
    let both = listeners.over_both("SCRAM-SHA-512", &listeners.password);
    assert_eq!(figures(&both, &listeners.password), plain);
}

/// Refused by each command within the time-out, with exit code 2 and one error that begins with the setting.
fn assert_refused(program: &AlphaPanda, setting: &str, secret: &str) {
    for command in ["run", "serve", "report"] {
        let began = Instant::now();
        let report = program.command(command).start().end();
        assert!(began.elapsed() < TIMEOUT.1, "{command}: {:?}", began.elapsed());
        assert_no_secret(&report, secret);
        assert_eq!(report.status.code(), Some(2), "{command}: {}", report.stderr);
        assert_eq!(report.stdout, "", "{command}");
        let errors: Vec<_> = report.stderr.lines().filter(|line| line.starts_with("error: ")).collect();
        assert_eq!(errors.len(), 1, "{command}: {}", report.stderr);
        assert!(errors[0].starts_with(&format!("error: {setting}")), "{command}: {}", report.stderr);
    }
}

#[test]
fn a_wrong_password_is_one_error_that_names_its_setting() {
    let Some(listeners) = listeners() else { return };
    let setting = "KAFKA__SASL_PASSWORD (or KAFKA__SASL_USERNAME): ";
    assert_refused(&listeners.over_sasl("PLAIN", WRONG), setting, WRONG);
    assert_refused(&listeners.over_sasl("SCRAM-SHA-256", WRONG), setting, WRONG);
    assert_refused(&listeners.over_both("SCRAM-SHA-512", WRONG), setting, WRONG);
}

#[test]
fn a_certificate_authority_that_did_not_sign_is_one_error_that_names_its_setting() {
    let Some(listeners) = listeners() else { return };
    let folder = tempfile::tempdir().unwrap();
    let other = certificate_authority(folder.path());
    assert_refused(&listeners.over_tls(&other), "KAFKA__SSL_CA_LOCATION: ", "");
    let none = folder.path().join("none.pem").display().to_string();
    assert_refused(&listeners.over_tls(&none), "KAFKA__SSL_CA_LOCATION: ", "");
    let no_pem = folder.path().join("no.pem");
    fs::write(&no_pem, "not a certificate\n").unwrap();
    assert_refused(&listeners.over_tls(&no_pem.display().to_string()), "KAFKA__SSL_CA_LOCATION: ", "");
}

#[test]
fn a_listener_of_another_kind_is_one_error_that_names_the_protocol() {
    let Some(listeners) = listeners() else { return };
    let protocol = "KAFKA__SECURITY_PROTOCOL: ";
    assert_refused(&listeners.program(&listeners.sasl, "plaintext"), protocol, "");
    assert_refused(&listeners.program(&listeners.tls, "plaintext"), protocol, "");
    let to_plain =
        listeners.program(&listeners.sasl, "ssl").variable("KAFKA__SSL_CA_LOCATION", &listeners.ca);
    assert_refused(&to_plain, protocol, "");
    let unnamed = listeners.program(&listeners.both, "ssl").variable("KAFKA__SSL_CA_LOCATION", &listeners.ca);
    assert_refused(&unnamed, protocol, "");
}

#[test]
fn a_broker_that_cannot_be_reached_is_one_error_that_names_where_it_was_looked_for() {
    let Some(listeners) = listeners() else { return };
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().to_string();
    let program = listeners.program(&closed, "sasl_ssl").variable("KAFKA__SSL_CA_LOCATION", &listeners.ca);
    let program = listeners.log_in(program, "SCRAM-SHA-256", WRONG);
    assert_refused(&program, "KAFKA__BOOTSTRAP_SERVERS: no answer from ", WRONG);
}

#[test]
fn secrets_are_hidden_where_the_settings_are_printed() {
    let secrets = [
        ("KAFKA__SASL_PASSWORD", "sesame-1"),
        ("KAFKA__SSL_KEY_PASSWORD", "sesame-2"),
        ("KAFKA__PROPERTY__SSL_KEYSTORE_PASSWORD", "sesame-3"),
        ("REDIS__URL", "redis://panda:sesame-4@127.0.0.1:6379/0"),
    ];
    let program = secrets.iter().fold(
        AlphaPanda::on_kafka(&env::temp_dir(), &[])
            .variable("KAFKA__SECURITY_PROTOCOL", "sasl_ssl")
            .variable("KAFKA__SSL_CERTIFICATE_LOCATION", "panda.pem")
            .variable("KAFKA__SSL_KEY_LOCATION", "panda.key")
            .variable("KAFKA__SASL_MECHANISM", "PLAIN")
            .variable("KAFKA__SASL_USERNAME", "panda"),
        |program, (name, value)| program.variable(name, value),
    );
    let report = program.bare(&["config", "print"]).run();
    assert_eq!(report.status.code(), Some(0), "{}", report.stderr);
    assert_no_secret(&report, "sesame");
    for (name, _) in secrets {
        assert!(report.stdout.contains(name), "{name} is not in {}", report.stdout);
    }
}

/// A certificate of an authority that nobody knows.
fn certificate_authority(folder: &Path) -> String {
    let certificate = folder.join("other.pem");
    let made = Command::new("openssl")
        .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=somebody else", "-days", "30"])
        .arg("-keyout")
        .arg(folder.join("other.key"))
        .arg("-out")
        .arg(&certificate)
        .output();
    assert!(made.is_ok_and(|made| made.status.success()), "openssl makes a certificate");
    certificate.display().to_string()
}
