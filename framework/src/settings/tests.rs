//! What the settings promise, error by error.

use std::time::Duration;

use proptest::prelude::*;

use super::*;

fn errors_of(variables: &[(&str, &str)]) -> String {
    match loader().load(variables.iter().copied(), "") {
        Ok(_) => String::new(),
        Err(errors) => errors.to_string(),
    }
}

#[cfg(feature = "trading")]
fn loader() -> Loader {
    Loader::new().section::<PaperTrading>().section::<Zerodha>()
}

#[cfg(not(feature = "trading"))]
fn loader() -> Loader {
    Loader::new()
}

fn none() -> [(&'static str, &'static str); 0] {
    []
}

crate::section! {
    /// A section as a program declares it.
    struct Risk("RISK") {
        /// Most trades.
        trades: u32 = "50" in "1"..="100",
        /// A secret key.
        key: Secret = "",
    }
}

#[test]
fn the_shipped_defaults_are_valid() {
    let settings = loader().load(none(), "").unwrap();
    assert_eq!(settings.root.active_brokers[0].as_str(), "paper");
    assert_eq!(settings.runtime.shutdown_deadline, Duration::from_secs(30));
    assert_eq!(settings.database.url.path().and_then(|path| path.to_str()), Some("pandaflow.db"));
    assert!(settings.in_force().iter().all(|one| one.source == Source::Default));
    assert_eq!(Settings::default().runtime, settings.runtime);
}

#[test]
fn a_bad_value_is_told_with_what_would_be_right() {
    for (name, value, told) in [
        (
            "RUNTIME__SHUTDOWN_DEADLINE",
            "soon",
            "not a duration; write a duration such as 100ms, 30s, 2m, 24h or 7d (from 100ms to 1h)",
        ),
        ("RUNTIME__SHUTDOWN_DEADLINE", "2h", "must be from 100ms to 1h"),
        ("RUNTIME__ARBITERS", "0", "out of range; write cores, or a whole number (from 1 to 256)"),
        ("RUNTIME__RESTARTS_MAX", "-1", "not a whole number; write a whole number (from 0 to 1000)"),
        (
            "RUNTIME__RESTARTS_MAX",
            "99999999999",
            "more than 4294967295; write a whole number (from 0 to 1000)",
        ),
        ("RUNTIME__RESTARTS_MAX", "", "empty; write a whole number (from 0 to 1000)"),
        (
            "RUNTIME__MAX_IN_FLIGHT_BYTES",
            "64",
            "a number without a unit; write a size such as 512KB, 64MB or 1GiB (from 64KB to 64GB)",
        ),
        (
            "RUNTIME__RESTART_BASE_DELAY",
            "11s",
            "must not be longer than RUNTIME__RESTART_MAX_DELAY, which is 10s",
        ),
        (
            "RUNTIME__SETTLE_MAX_EVENTS",
            "20000",
            "must not be more than RUNTIME__MAX_IN_FLIGHT_EVENTS, which is 8192",
        ),
        ("HEALTH__TIMEOUT", "1m", "must not be longer than HEALTH__CHECK_INTERVAL, which is 5s"),
        ("LOGGING__FILE", "yes", "neither true nor false; write true or false"),
        ("LOGGING__LEVEL", "loud", "none of the words; write critical, error, warning, info, debug or trace"),
        ("LOGGING__CHANNELS", "trading=debug,trading=info", "names trading twice; name it once"),
        (
            "REDIS__URL",
            "http://redis",
            "not the URL of a Redis server; write redis:// and a host, for example redis://localhost:6379/0 or \
             redis://user:password@redis.internal:6379/0",
        ),
        ("REDIS__TIMEOUT", "1ms", "must be from 10ms to 5m"),
        ("DEDUP__WHEN_STORE_IS_DOWN", "panic", "none of the words; write pause, bypass or local"),
        (
            "DATABASE__URL",
            "data.db",
            "not a database that this version has; write sqlite: and the path of a file, for example sqlite:data/pandaflow.db, or postgres://USER:PASSWORD@HOST/DATABASE",
        ),
        (
            "API__BIND",
            "8080",
            "not an address with a port; write an address and a port, for example 127.0.0.1:8080 or [::1]:8080",
        ),
        (
            "API__BIND",
            "0.0.0.0:80",
            "others could reach it, and there is no authentication yet; bind to this machine alone, for example 127.0.0.1:8080",
        ),
        ("ENVIRONMENT", "staging", "none of the words; write development, testing or production"),
        ("ACTIVE_BROKERS", "", "empty; name at least one, for example paper"),
        ("ACTIVE_BROKERS", "paper,paper", "names paper twice; name it once"),
        (
            "ACTIVE_BROKERS",
            "paper,,zerodha",
            "item 2 is empty; write a comma-separated list, each item a name of lower-case letters, digits and '-' such as paper",
        ),
        ("ACTIVE_BROKERS", "kite", "there is no broker kite; write paper or zerodha"),
    ] {
        assert_eq!(errors_of(&[(name, value)]), format!("{name} = {value:?}: {told}"));
    }
}

#[test]
fn all_bad_values_are_listed_together_and_sorted() {
    let errors = errors_of(&[
        ("RUNTIME__ARBITERS", "many"),
        ("API__BIND", "0.0.0.0:80"),
        ("RUNTIME__SHUTDOWN_DEADLINE", "soon"),
        ("HEALTH__TIMOUT", "5s"),
        ("RUNTIME__RESTART_BASE_DELAY", "1m"),
    ]);
    let variables: Vec<_> = errors.lines().map(|l| l.split([' ', ':']).next().unwrap()).collect();
    assert_eq!(
        variables,
        [
            "API__BIND",
            "HEALTH__TIMOUT",
            "RUNTIME__ARBITERS",
            "RUNTIME__RESTART_BASE_DELAY",
            "RUNTIME__SHUTDOWN_DEADLINE"
        ]
    );
}

#[test]
fn a_misspelt_name_is_told_the_nearest_known_one() {
    for (name, told) in [
        ("RUNTIME__ARBITRES", "no such setting; did you mean RUNTIME__ARBITERS?"),
        ("RUNTIME__arbiters", "no such setting; did you mean RUNTIME__ARBITERS?"),
        ("API__COLOUR", "no such setting; API has API__BIND"),
        ("API__API__BIND", "no such setting; API has API__BIND"),
        ("RUNTMIE__ARBITERS", "no such section; did you mean RUNTIME__ARBITERS?"),
        ("runtime__arbiters", "no such section; did you mean RUNTIME__ARBITERS?"),
        ("AIP__BIND", "no such section; did you mean API__BIND?"),
        ("DATABSE__URL", "no such section; did you mean DATABASE__URL?"),
        ("ACTIVE_BROKER", "no such setting; did you mean ACTIVE_BROKERS?"),
    ] {
        assert_eq!(errors_of(&[(name, "x")]), format!("{name}: {told}"));
    }
}

#[test]
fn the_variables_of_others_are_left_alone() {
    let foreign = ["PATH", "HOME", "APP__MODE", "XYZ__FOO", "LC_ALL", "DATABASE_URL", "__", "_", "", "é__ü"];
    for name in foreign {
        assert_eq!(errors_of(&[(name, "x")]), "");
    }
}

#[test]
fn a_variable_with_one_underscore_is_told_unless_the_setting_is_there() {
    let told = |variables: &[(&str, &str)], dotenv| {
        Settings::load(variables.iter().copied(), dotenv).unwrap().passed_over().to_vec()
    };
    let prefix = ["KAFKA_PREFIX is not read here: the setting is KAFKA__PREFIX"];
    assert_eq!(told(&[("KAFKA_PREFIX", "a-")], ""), prefix);
    assert_eq!(told(&[("KAFKA_PREFIX", "a-")], "KAFKA_PREFIX=b-"), prefix, "once");
    assert_eq!(told(&[("KAFKA_PREFIX", "a-"), ("KAFKA__PREFIX", "b-")], ""), [""; 0]);
    assert_eq!(told(&[("PATH", "/bin"), ("KAFKA_HOME", "/opt")], ""), [""; 0]);
}

#[test]
fn a_password_is_never_quoted() {
    let errors = errors_of(&[
        ("DATABASE__URL", "mysql://panda:hunter2@db/x?sslkey=hunter2"),
        ("ZERODHA__API_SCRET", "hunter2"),
        ("ZERODHA__API_KEY", "hunter2\u{7}"),
    ]);
    assert!(!errors.contains("hunter2"), "{errors}");
    let database = errors.lines().next().unwrap();
    assert_eq!(
        database,
        "DATABASE__URL = \"mysql://***@db/x?***\": not a database that this version has; write sqlite: and the path of a \
         file, for example sqlite:data/pandaflow.db, or postgres://USER:PASSWORD@HOST/DATABASE"
    );
    for url in ["sqlite://u:hunter2@h", "mysql:password=hunter2", "u:p@hunter2@h", "x://u:hunter2?@h"] {
        for variable in ["DATABASE__URL", "REDIS__URL"] {
            let errors = errors_of(&[(variable, url)]);
            assert!(errors.contains(variable) && !errors.contains("hunter2"), "{errors}");
        }
    }
}

#[cfg(feature = "trading")]
#[test]
fn the_trading_sections_check_their_limits() {
    for (name, value, told) in [
        (
            "PAPER_TRADING__SLIPPAGE_PERCENT",
            "0,05",
            "not a decimal number; write a decimal number such as 0.05 (from 0 to 50)",
        ),
        ("PAPER_TRADING__SLIPPAGE_PERCENT", "51", "must be from 0 to 50"),
        (
            "PAPER_TRADING__MIN_QUANTITY",
            "2000000",
            "must not be more than PAPER_TRADING__MAX_QUANTITY, which is 1000000",
        ),
        ("PAPER_TRADING__MAX_PRICE", "0.005", ""),
        ("PAPER_TRADING__MAX_PRICE", "0", "must be from 0.0001 to 1000000000"),
        (
            "PAPER_TRADING__ALLOWED_INSTRUMENTS",
            "1,0",
            "no instrument has the token 0; write tokens from 1 to 4294967295",
        ),
        ("PAPER_TRADING__MAX_POSITION_NOTIONAL", "-1", "must be from 0 to 1000000000000"),
        (
            "ZERODHA__ENABLED",
            "true",
            "this version has no gateway to the broker; write false: runs on recorded feeds simulate fills in every namespace",
        ),
    ] {
        let errors = errors_of(&[(name, value)]);
        if told.is_empty() {
            assert!(errors.starts_with("PAPER_TRADING__MIN_PRICE = \"0.01\": must not be more"), "{errors}");
        } else {
            assert_eq!(errors.lines().next(), Some(&*format!("{name} = {value:?}: {told}")));
        }
    }
    let settings = loader()
        .load([("PAPER_TRADING__ALLOWED_INSTRUMENTS", " 1, 2 ,"), ("ZERODHA__API_KEY", "hunter2")], "")
        .unwrap();
    assert_eq!(settings.section::<PaperTrading>().unwrap().allowed_instruments, [1, 2]);
    assert_eq!(settings.section::<Zerodha>().unwrap().api_key.reveal(), "hunter2");
    assert!(settings.print().contains("# ZERODHA__API_KEY=***"), "{}", settings.print());
    assert!(!format!("{settings:?}{}", settings.print()).contains("hunter2"));
}

#[test]
fn a_program_adds_sections_of_its_own() {
    let loader = Loader::new().section::<Risk>();
    let settings = loader.load([("RISK__TRADES", "7"), ("RISK__KEY", "hunter2")], "").unwrap();
    assert_eq!(settings.section::<Risk>().unwrap().trades, 7);
    assert_eq!(settings.section::<Risk>().unwrap().key.reveal(), "hunter2");
    let errors = loader.load([("RISK__TRADES", "0"), ("RSIK__TRADES", "1")], "").unwrap_err();
    assert_eq!(
        errors.to_string(),
        "RISK__TRADES = \"0\": must be from 1 to 100\nRSIK__TRADES: no such section; did you mean RISK__TRADES?"
    );
    let why = Settings::default().section::<Risk>().unwrap_err().to_string();
    assert!(why.starts_with("the settings have no section RISK: add .section::<"), "{why}");
}

#[derive(Default, serde::Serialize, serde::Deserialize)]
#[serde(default)]
struct ByHand {
    count: u8,
    names: Vec<String>,
}

impl Section for ByHand {
    const NAME: &'static str = "BY_HAND";

    fn fields() -> Vec<Field> {
        vec![Field::of::<u16>("count", "", None), Field::of::<Vec<String>>("names", "", None)]
    }
}

#[test]
fn a_section_can_be_written_with_serde_alone() {
    let loader = Loader::new().section::<ByHand>();
    let settings = loader.load([("BY_HAND__COUNT", "3"), ("BY_HAND__NAMES", "a,b")], "").unwrap();
    assert!(settings.print().contains("BY_HAND__COUNT=3"));
    assert!(settings.print().contains("BY_HAND__NAMES=a,b"));
    let errors = loader.load([("BY_HAND__COUNT", "300")], "").unwrap_err();
    assert_eq!(
        errors.to_string(),
        "BY_HAND__COUNT = \"300\": number too large to fit in target type; write a whole number"
    );
}

#[cfg(unix)]
#[test]
fn a_variable_that_is_not_utf8_is_an_error_only_if_it_is_a_setting() {
    use std::os::unix::ffi::OsStringExt;
    let bytes = || OsString::from_vec(vec![b'a', 0xff]);
    let set =
        |name: &str| Settings::load([(OsString::from(name), bytes())], "").map_err(|e| e.to_string()).err();
    assert_eq!(set("HOME"), None);
    assert_eq!(set("API__BIND"), Some("API__BIND: the value is not UTF-8 text".into()));
    assert!(Settings::load([(bytes(), bytes())], "").is_ok());
}

proptest! {
    #[test]
    fn no_input_panics(
        name in prop_oneof![
            any::<String>(),
            proptest::sample::select(Settings::default().in_force().iter().map(|one| one.variable.clone()).collect::<Vec<_>>()),
            "[A-Z_]{0,20}__[A-Z_]{0,20}",
            "RETRY__([A-Z_]{0,9}__)?(TRANSIENT|[A-Zé_]{0,9})__(GIVE_UP_AFTER|MULTIPLIER|[A-Zé_]{0,9})",
        ],
        value in prop_oneof![any::<String>(), "[0-9]{0,25}[a-zA-Z,=:.@?/]{0,9}", "-?[0-9a-z,.=]{0,30}"],
        dotenv in any::<String>(),
    ) {
        let _ = loader().load([(name.clone(), value.clone())], &dotenv).map(|s| s.print()).map_err(|e| e.to_string());
        let _ = loader().load(none(), &format!("{name}={value}\n{dotenv}")).map(|s| s.print()).map_err(|e| e.to_string());
    }
}

#[test]
fn the_url_of_redis_is_taken_apart_before_it_is_used() {
    for url in [
        "redis://h",
        "redis://h:1/2",
        "redis://:p%40ss@h:6379/0",
        "redis://u:p@[::1]:6379",
        "redis://h?protocol=resp3",
    ] {
        assert_eq!(errors_of(&[("REDIS__URL", url)]), "", "{url}");
    }
    for (url, told) in [
        ("redis://", "without a host"),
        ("redis://u:p@:6379", "without a host"),
        ("redis://h:port", "with a port that is no number"),
        ("redis://h:0", "with a port that is no number"),
        ("redis://h/x", "with a database that is no number"),
        ("redis://***@h", "where user and password were hidden"),
        ("redis://a b", "holding a blank"),
        ("rediss://h", "TLS to Redis is not there yet"),
    ] {
        let errors = errors_of(&[("REDIS__URL", url)]);
        assert!(errors.contains(told), "{url}: {errors}");
    }
}

#[test]
fn the_url_of_redis_is_shown_without_its_credentials() {
    let settings = loader().load([("REDIS__URL", "redis://panda:hunter2@h:1/0")], "").unwrap();
    assert!(settings.print().contains("REDIS__URL=redis://***@h:1/0"), "{}", settings.print());
    assert!(!format!("{settings:?}").contains("hunter2"));
    assert_eq!(settings.redis.url.reveal(), "redis://panda:hunter2@h:1/0");
    assert_eq!(settings.redis.timeout, Duration::from_secs(5));
}

#[test]
fn the_level_of_all_is_that_of_the_logs_unless_they_have_their_own() {
    let level =
        |variables: &[(&str, &str)]| Settings::load(variables.iter().copied(), "").unwrap().logging.level;
    assert_eq!(level(&[]), Level::Info);
    assert_eq!(level(&[("LOG_LEVEL", "debug")]), Level::Debug);
    assert_eq!(level(&[("LOG_LEVEL", "debug"), ("LOGGING__LEVEL", "error")]), Level::Error);
}
