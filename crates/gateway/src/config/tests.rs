//! What a configuration means as a whole: precedence, bounds, secrets; and every way to get it
//! wrong, as the person who got it wrong sees it (`tests/snapshots`).

use seawall_core::plan::backoff::Jitter;
use seawall_core::plan::policy::Preset;
use seawall_core::plan::route::UPSTREAMS_MAX;
use seawall_core::request::MODEL_BYTES_MAX;
use seawall_core::verdict::Class;
use serde_json::Value;

use super::*;

const CANARY: &str = "sk-canary-4f9a71c2d8e35b60";

fn env<'a>(variables: &[(&'a str, &'a str)]) -> Environment {
    Environment::given(Path::new("/nonexistent"), [("HOME", "/home/a")].into_iter().chain(variables.iter().copied()))
}

fn parse_with(text: &str, overrides: &Overrides, env: &Environment) -> Result<Config, Problems> {
    from_text(Some(Path::new("seawall.toml")), text, overrides, env)
}

fn parse(text: &str) -> Result<Config, Problems> {
    parse_with(text, &Overrides::default(), &env(&[]))
}

#[track_caller]
fn good(text: &str) -> Config {
    parse(text).unwrap_or_else(|problems| panic!("{problems}"))
}

#[track_caller]
fn bad(text: &str) -> Problems {
    match parse(text) {
        Ok(_) => panic!("accepted: {text}"),
        Err(problems) => problems,
    }
}

/// Compares what a person would read with what was reviewed.
#[track_caller]
fn reads(name: &str, text: &str) {
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!(name, text);
    });
}

mod alerts;
mod breaker;
mod incident;
mod routes;
mod status_pages;
mod telemetry;
mod upstreams;

mod defaults {
    use super::*;

    #[test]
    fn without_a_word_it_stands_on_loopback_in_front_of_openai() {
        let config = load(&Overrides::default(), &env(&[])).expect("defaults are valid");
        assert_eq!(config.file, None);
        assert_eq!(config.server.listen.to_string(), "127.0.0.1:7500");
        assert_eq!(config.server.admin.to_string(), "127.0.0.1:7501");
        assert_eq!(config.upstreams.len(), 1);
        assert_eq!(config.upstreams[0].name, "openai");
        assert_eq!(config.upstreams[0].base, "https://api.openai.com/v1");
        assert!(config.upstreams[0].api_keys.is_empty());
        assert!(config.policy == Policy::default());
        assert_eq!(config.journal, JournalConfig::default());
        assert_eq!(config.data_dir, Path::new("/home/a/.local/state/seawall"));
    }

    #[test]
    fn the_sdks_variable_is_never_taken_for_the_upstream() {
        let env = env(&[("OPENAI_BASE_URL", "http://127.0.0.1:7500/v1"), ("OPENAI_API_KEY", CANARY)]);
        let config = load(&Overrides::default(), &env).expect("defaults are valid");
        assert_eq!(config.upstreams[0].base, "https://api.openai.com/v1");
        assert!(config.upstreams[0].api_keys.is_empty());
    }
}

mod precedence {
    use super::*;

    const FILE: &str = r#"
        [server]
        listen = "127.0.0.1:1001"
        [[upstream]]
        base_url = "https://file.example/v1"
        [log]
        format = "text"
    "#;

    fn show(config: &Config, key: &str) -> String {
        let row = rows(config).into_iter().find(|row| format!("{}.{}", row.table, row.key).trim_matches('.') == key);
        let row = row.unwrap_or_else(|| panic!("no row {key}"));
        format!("{} by {}", row.value.text(), row.source_text(config))
    }

    #[test]
    fn a_flag_outranks_the_environment_which_outranks_the_file_which_outranks_the_default() {
        let variables = [("SEAWALL_UPSTREAM", "https://env.example/v1"), ("SEAWALL_DATA_DIR", "/env")];
        let flags = Overrides {
            listen: Some(SocketAddr::from(([127, 0, 0, 1], 1002))),
            upstream: Some("https://flag.example/v1".into()),
            data_dir: Some("/flag".into()),
            log_format: Some(LogFormat::Json),
            ..Overrides::default()
        };
        let by_file = good(FILE);
        assert_eq!(show(&by_file, "server.listen"), "\"127.0.0.1:1001\" by seawall.toml:3");
        assert_eq!(show(&by_file, "server.admin"), "\"127.0.0.1:7501\" by default");
        assert_eq!(show(&by_file, "upstream.file.base_url"), "\"https://file.example/v1\" by seawall.toml:5");
        assert_eq!(show(&by_file, "log.format"), "\"text\" by seawall.toml:7");
        assert_eq!(show(&by_file, "data_dir"), "\"/home/a/.local/state/seawall\" by default");

        let by_env = parse_with(FILE, &Overrides::default(), &env(&variables)).expect("valid");
        assert_eq!(show(&by_env, "upstream.env.base_url"), "\"https://env.example/v1\" by env SEAWALL_UPSTREAM");
        assert_eq!(show(&by_env, "data_dir"), "\"/env\" by env SEAWALL_DATA_DIR");
        assert_eq!(by_env.upstreams.len(), 1);

        let by_flag = parse_with(FILE, &flags, &env(&variables)).expect("valid");
        assert_eq!(show(&by_flag, "server.listen"), "\"127.0.0.1:1002\" by --listen");
        assert_eq!(show(&by_flag, "upstream.flag.base_url"), "\"https://flag.example/v1\" by --upstream");
        assert_eq!(show(&by_flag, "data_dir"), "\"/flag\" by --data-dir");
        assert_eq!(show(&by_flag, "log.format"), "\"json\" by --log-format");
    }

    #[test]
    fn the_file_is_looked_for_here_and_then_in_the_users_folder() {
        let folder = tempfile::tempdir().expect("a folder");
        let here = folder.path().join("here");
        let user = folder.path().join("user");
        std::fs::create_dir_all(user.join("seawall")).expect("created");
        std::fs::create_dir_all(&here).expect("created");
        let user_folder = user.to_str().expect("UTF-8").to_owned();
        let env = Environment::given(&here, [("HOME", "/home/a"), ("XDG_CONFIG_HOME", user_folder.as_str())]);
        let found = |config: Option<PathBuf>| {
            let overrides = Overrides { config, ..Overrides::default() };
            load(&overrides, &env).map(|config| (config.file, config.server.in_flight_max)).map_err(|p| p.to_string())
        };
        let write = |path: &Path, number: u32| {
            std::fs::write(path, format!("[server]\nin_flight_max = {number}\n")).expect("written");
        };
        assert_eq!(found(None), Ok((None, 4096)));
        write(&user.join("seawall/seawall.toml"), 1);
        assert_eq!(found(None), Ok((Some(user.join("seawall/seawall.toml")), 1)));
        write(&here.join("seawall.toml"), 2);
        assert_eq!(found(None), Ok((Some("seawall.toml".into()), 2)));
        write(&here.join("other.toml"), 3);
        assert_eq!(found(Some("other.toml".into())), Ok((Some("other.toml".into()), 3)));
        let missing = found(Some("missing.toml".into())).expect_err("missing");
        assert!(missing.contains("cannot read missing.toml: no such file or directory"), "{missing}");
    }

    #[test]
    fn max_retries_lowers_every_class_and_leaves_the_stricter_ones() {
        let text = "[retry]\nmax_attempts = 9\n[retry.class.overloaded]\nmax_attempts = 2\n[retry.class.not_sent]\nmax_attempts = 9\n";
        let with = |max_retries| {
            let overrides = Overrides { max_retries: Some(max_retries), ..Overrides::default() };
            parse_with(text, &overrides, &env(&[]))
        };
        let retry = with(4).expect("valid").policy.retry;
        assert_eq!(retry.max_attempts, 5);
        let attempts = |class| retry.class(class).map(|class| class.max_attempts);
        assert_eq!(attempts(Class::Overloaded), Some(2));
        assert_eq!(attempts(Class::NotSent), Some(5));
        assert_eq!(attempts(Class::ServerError), Some(5));
        assert!(with(19).is_ok());
        assert!(with(20).is_err_and(|problems| problems.to_string().contains("--max-retries is 20, the limit is 19")));
    }
}

mod retry_table {
    use super::*;

    #[test]
    fn values_for_all_classes_come_before_those_for_one() {
        let config = good(
            r#"
            [retry]
            cap = "4s"
            max_attempts = 6
            [retry.class.overloaded]
            base = "3s"
            max_attempts = 2
            retry_after_max = "5m"
            "#,
        );
        let retry = &config.policy.retry;
        let overloaded = retry.class(Class::Overloaded).expect("retried");
        assert_eq!(overloaded.backoff.base, Duration::from_secs(3));
        assert_eq!(overloaded.backoff.cap, Duration::from_secs(4));
        assert_eq!((overloaded.max_attempts, overloaded.retry_after_max), (2, Duration::from_secs(300)));
        let other = retry.class(Class::ServerError).expect("retried");
        assert_eq!(other.backoff.base, Duration::from_millis(250));
        assert_eq!((other.max_attempts, other.retry_after_max), (6, Duration::from_secs(60)));
    }

    #[test]
    fn a_preset_is_where_values_start_from() {
        let config = good("[retry]\npreset = \"openai-sdk\"\nmax_attempts = 5\n");
        let retry = &config.policy.retry;
        assert_eq!((retry.max_attempts, retry.jitter), (5, Jitter::LessAQuarter));
        assert_eq!(retry.class(Class::NotSent).expect("retried").backoff.base, Duration::from_millis(500));
        assert_eq!(config.retry.preset, Preset::OpenaiSdk);
        let source = |key: &str| config.sources.get(&format!("retry.{key}")).cloned();
        assert_eq!(source("max_attempts"), Some(Source::File(3)));
        assert_eq!(source("class.not_sent.max_attempts"), Some(Source::File(3)));
        assert_eq!(source("class.not_sent.base"), Some(Source::Preset(Preset::OpenaiSdk)));
        assert_eq!(source("jitter"), Some(Source::Preset(Preset::OpenaiSdk)));
    }
}

mod bounds {
    use super::*;

    /// A file with one value at `path`, and whatever else that needs to be valid.
    fn with(path: &str, value: &str) -> String {
        let (table, key) = path.rsplit_once('.').expect("a key in a table");
        match table {
            "timeout" if key == "total" => format!("[timeout]\ntotal = {value}\ntotal_max = \"1d\""),
            "timeout" if key == "total_max" => format!("[timeout]\ntotal = \"10ms\"\ntotal_max = {value}"),
            "server" if key == "replay_bytes_max" => format!("[server]\n{key} = {value}\nmemory_max = \"1 TiB\""),
            "upstream" => format!("[[upstream]]\nbase_url = \"https://a.example\"\n{key} = {value}"),
            "breaker" => match key {
                "guard" | "open_alt" => format!("[breaker]\n{key} = {value}\nopen_solo = 100"),
                "open_solo" => format!("[breaker]\nguard = 1\nopen_alt = 1\n{key} = {value}"),
                "rate_alt" => format!("[breaker]\n{key} = {value}\nrate_solo = 1.0"),
                "rate_solo" => format!("[breaker]\nrate_alt = 0.0\n{key} = {value}"),
                "open" => format!("[breaker]\n{key} = {value}\nopen_max = \"10m\""),
                "open_max" => format!("[breaker]\nopen = \"10ms\"\n{key} = {value}"),
                _ => format!("[breaker]\n{key} = {value}"),
            },
            "hedge" if key == "after_min" => format!("[hedge]\n{key} = {value}\nafter_max = \"10m\""),
            "hedge" if key == "after_max" => format!("[hedge]\nafter_min = \"10ms\"\n{key} = {value}"),
            table if table.starts_with("retry.class") && key == "base" => {
                format!("[{table}]\n{key} = {value}\ncap = \"10m\"")
            }
            table if table.starts_with("retry.class") && key == "max_attempts" => {
                format!("[retry]\nmax_attempts = 20\n[{table}]\n{key} = {value}")
            }
            table => format!("[{table}]\n{key} = {value}"),
        }
    }

    /// Bounds of a key as TOML values: the smallest and the largest, and what is just outside.
    fn limits(schema: &Value) -> Option<[Option<String>; 4]> {
        let integer = |name: &str| schema[name].as_u64();
        let text = |name: &str| schema[name].as_str();
        if let (Some(min), Some(max)) = (text("x-minimum"), text("x-maximum")) {
            if schema["type"].is_array() {
                let [min, max] = [min, max].map(|size| units::size(size).expect("a size"));
                let below = min.checked_sub(1).map(|below| below.to_string());
                return Some([below, Some(min.to_string()), Some(max.to_string()), Some((max + 1).to_string())]);
            }
            let [min, max] = [min, max].map(|wait| units::duration(wait).expect("a duration"));
            let written = |wait: Duration| format!("\"{}\"", units::show_duration(wait));
            let step = Duration::from_millis(1);
            let below = min.checked_sub(step).map(written);
            return Some([below, Some(written(min)), Some(written(max)), Some(written(max + step))]);
        }
        if schema["type"] == "number" {
            let (min, max) = (schema["minimum"].as_f64()?, schema["maximum"].as_f64()?);
            return Some([min - 0.1, min, max, max + 0.1].map(|number| Some(format!("{number:?}"))));
        }
        let (min, max) = (integer("minimum")?, integer("maximum")?);
        let below = i64::try_from(min).expect("small") - 1;
        Some([Some(below.to_string()), Some(min.to_string()), Some(max.to_string()), Some((max + 1).to_string())])
    }

    #[test]
    fn every_number_is_accepted_at_its_limits_and_refused_beyond() {
        let mut schema = schema::json();
        let mut seen = 0;
        for path in schema::paths() {
            let Some(key) = schema::at(&mut schema, &path) else { panic!("{path} is not in the schema") };
            let Some([below, min, max, above]) = limits(key) else { continue };
            for (value, fits) in [(below, false), (min, true), (max, true), (above, false)] {
                let Some(value) = value else { continue };
                let result = parse(&with(&path, &value));
                assert_eq!(result.is_ok(), fits, "{path} = {value}: {:?}", result.err());
            }
            seen += 1;
        }
        assert!(seen >= 72, "only {seen} keys have bounds");
    }

    #[test]
    fn names_and_credentials_have_a_length() {
        let upstream = |key: &str, value: String| {
            parse(&format!("[[upstream]]\nbase_url = \"https://a.example\"\n{key} = \"{value}\"")).is_ok()
        };
        for (key, max) in [("name", kind::NAME_BYTES_MAX), ("api_key", kind::SECRET_BYTES_MAX)] {
            assert!(upstream(key, "a".repeat(max)), "{key}");
            assert!(!upstream(key, "a".repeat(max + 1)), "{key}");
            assert!(!upstream(key, String::new()), "{key}");
        }
        let token = |length: usize| parse(&format!("[server]\nadmin_token = \"{}\"", "a".repeat(length))).is_ok();
        assert!(token(kind::TOKEN_BYTES_MIN));
        assert!(!token(kind::TOKEN_BYTES_MIN - 1));
    }

    #[test]
    fn lists_have_a_length() {
        let fleet = |count: usize| {
            let one = |n| format!("[[upstream]]\nname = \"u{n}\"\nbase_url = \"https://a.example/{n}\"\n");
            parse(&(0..count).map(one).collect::<String>()).is_ok()
        };
        assert!(fleet(UPSTREAMS_MAX));
        assert!(!fleet(UPSTREAMS_MAX + 1));
        let clients = |count: usize| {
            let one = |n| format!("[[client]]\nname = \"c{n}\"\ntoken = \"0123456789abcdef{n}\"\n");
            let upstream = "[[upstream]]\nbase_url = \"https://a.example\"\napi_key = \"k\"\n".to_owned();
            parse(&(0..count).map(one).fold(upstream, |text, client| text + &client)).is_ok()
        };
        assert!(clients(check::CLIENTS_MAX));
        assert!(!clients(check::CLIENTS_MAX + 1));
        let patterns = |count: usize, length: usize| {
            let list = vec![format!("\"{}\"", "a".repeat(length)); count].join(",");
            parse(&format!("[[upstream]]\nbase_url = \"https://a.example\"\nmodels = [{list}]")).is_ok()
        };
        assert!(patterns(list::PATTERNS_MAX, list::PATTERN_BYTES_MAX));
        assert!(!patterns(list::PATTERNS_MAX + 1, 1));
        assert!(!patterns(0, 1));
        assert!(!patterns(1, list::PATTERN_BYTES_MAX + 1));
        assert!(!patterns(1, 0));
        let upstream = |line: &str| parse(&format!("[[upstream]]\nbase_url = \"https://a.example\"\n{line}")).is_ok();
        let keys = |count: usize| {
            let list: Vec<String> = (0..count).map(|n| format!("\"key-{n}\"")).collect();
            upstream(&format!("api_keys = [{}]", list.join(",")))
        };
        assert!(keys(1) && keys(list::KEYS_MAX));
        assert!(!keys(0) && !keys(list::KEYS_MAX + 1));
        let map = |count: usize| {
            let pairs: Vec<String> = (0..count).map(|n| format!("m{n} = \"d{n}\"")).collect();
            upstream(&format!("model_map = {{ {} }}", pairs.join(", ")))
        };
        assert!(map(1) && map(list::MODEL_MAP_MAX));
        assert!(!map(0) && !map(list::MODEL_MAP_MAX + 1));
        let name = |length: usize| "m".repeat(length);
        let (most, more) = (name(MODEL_BYTES_MAX), name(MODEL_BYTES_MAX + 1));
        for (asked, sent, fits) in [
            (most.as_str(), most.as_str(), true),
            (more.as_str(), "d", false),
            ("m", more.as_str(), false),
            ("m", "", false),
            ("", "d", false),
            ("m", "\\u0007", false),
            ("m*", "d", false),
        ] {
            assert_eq!(upstream(&format!("model_map = {{ \"{asked}\" = \"{sent}\" }}")), fits, "{asked} = {sent}");
        }
    }

    #[test]
    fn a_fraction_is_exact_to_its_steps() {
        let deposit =
            |text: &str| parse(&format!("[budget]\ndeposit = {text}")).map(|config| config.policy.budget.deposit);
        for (text, parts) in
            [("0", 0), ("1", 1_000), ("0.2", 200), ("0.001", 1), ("0.3", 300), ("0.999", 999), ("1.0", 1_000)]
        {
            assert_eq!(deposit(text).ok(), Some(parts), "{text}");
        }
        for text in ["0.0005", "nan", "inf", "2", "-1", "1e-9"] {
            assert!(deposit(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_has_a_size() {
        let folder = tempfile::tempdir().expect("a folder");
        let limit = usize::try_from(FILE_BYTES_MAX).expect("small");
        for (length, fits) in [(limit, true), (limit + 1, false)] {
            std::fs::write(folder.path().join("seawall.toml"), "#".repeat(length)).expect("written");
            let env = Environment::given(folder.path(), [("HOME", "/home/a")]);
            assert_eq!(load(&Overrides::default(), &env).is_ok(), fits, "{length}");
        }
    }
}

mod keys {
    use super::*;

    /// Removes the comment sign from every key and table of the example.
    fn uncommented(example: &str, ca_file: &Path) -> String {
        let line = |line: &str| match line.strip_prefix('#') {
            Some(key) if !key.starts_with(' ') => key.to_owned(),
            _ => line.to_owned(),
        };
        let text: Vec<String> = example.lines().map(line).collect();
        text.join("\n").replace("/etc/ssl/certs/company.pem", &ca_file.display().to_string())
    }

    #[test]
    fn the_example_is_valid_and_says_what_the_defaults_say() {
        let config = good(&example());
        assert!(config.policy == Policy::default());
        let plain = |config: &Config| -> Vec<_> {
            rows(config).into_iter().map(|row| (row.table, row.key, row.value)).collect()
        };
        assert_eq!(plain(&config), plain(&good("")));
    }

    #[test]
    fn every_key_of_the_schema_is_in_the_example_and_works_there() {
        let mut read = read_but_for("api_keys");
        read.extend(read_but_for("api_key"));
        for path in schema::paths() {
            let place = ["upstream.", "route.", "alert.", "client."].iter().fold(path.clone(), |place, table| {
                place.strip_prefix(table).map_or(place.clone(), |key| format!("{table}0.{key}"))
            });
            assert!(read.contains(&place), "{path} was not read");
        }
    }

    /// The paths that are read from the example without its comment signs, but for a key that excludes another.
    fn read_but_for(key: &str) -> Vec<String> {
        let folder = tempfile::tempdir().expect("a folder");
        let ca_file = folder.path().join("ca.pem");
        std::fs::write(&ca_file, "-----BEGIN CERTIFICATE-----\n").expect("written");
        let key = format!("{key} = ");
        let text = uncommented(&example(), &ca_file);
        let text: String =
            text.lines().filter(|line| !line.starts_with(&key)).map(|line| format!("{line}\n")).collect();
        let variables = [
            ("SEAWALL_ADMIN_TOKEN", "0123456789abcdef"),
            ("OPENAI_API_KEY", "sk-1"),
            ("OPENAI_API_KEY_2", "sk-2"),
            ("BILLING_TOKEN", "0123456789abcdef"),
            ("ALERT_SECRET", alerts::SIGNING_KEY),
            ("COLLECTOR_KEY", "c-1"),
        ];
        let config = parse_with(&text, &Overrides::default(), &env(&variables));
        let config = config.unwrap_or_else(|problems| panic!("{problems}\n{text}"));
        config
            .sources
            .into_iter()
            .filter(|(_, source)| matches!(source, Source::File(_)))
            .map(|(path, _)| path)
            .collect()
    }

    #[test]
    fn every_key_of_the_schema_is_shown() {
        let config = good(
            "[[upstream]]\nbase_url = \"https://a.example\"\napi_key = \"k\"\n[[route]]\nmodels = [\"*\"]\n[[client]]\nname = \"c\"\ntoken = \"0123456789abcdef\"\n[[alert]]\nkind = \"alertmanager\"\nurl = \"http://127.0.0.1:9093\"",
        );
        let mut shown: Vec<_> = rows(&config).into_iter().filter_map(|row| row.path).collect();
        shown.sort();
        let mut paths = schema::paths();
        paths.sort();
        assert_eq!(shown, paths);
    }

    #[test]
    fn every_key_that_has_a_default_says_so_in_the_schema() {
        let mut schema = json_schema();
        let without: Vec<_> = schema::paths()
            .into_iter()
            .filter(|path| schema::at(&mut schema, path).is_some_and(|key| key.get("default").is_none()))
            .collect();
        let expected = [
            "alert.ca_file",
            "alert.kind",
            "alert.name",
            "alert.secret",
            "alert.url",
            "client.name",
            "client.token",
            "route.commit",
            "route.fallback_models",
            "route.hedge",
            "route.models",
            "route.stream_upgrade",
            "route.upstreams",
            "server.admin_token",
            "telemetry.ca_file",
            "telemetry.otlp_endpoint",
            "telemetry.otlp_headers",
            "upstream.api_key",
            "upstream.api_keys",
            "upstream.ca_file",
            "upstream.model_map",
            "upstream.models",
        ];
        assert_eq!(without, expected);
    }

    #[test]
    fn the_example_reads_well() {
        reads("example", &example());
    }
}

mod secrets {
    use super::*;

    /// Every place of a file where a credential may stand, by right or by mistake.
    const PLACES: [&str; 30] = [
        "[[upstream]]\nbase_url = \"https://a.example\"\napi_key = \"CANARY\"\nauth = 5",
        "[[upstream]]\nbase_url = \"https://a.example\"\napi_key = \"CANARY\nauth = 5",
        "[[upstream]]\nbase_url = \"https://a.example\"\napi_key = [\"CANARY\"]",
        "[[upstream]]\nbase_url = \"https://a.example\"\napi_key = \"CANARY \"",
        "[[upstream]]\nbase_url = \"https://a.example\"\napi_kye = \"CANARY\"",
        "[[upstream]]\nbase_url = \"https://CANARY@a.example\"",
        "[[upstream]]\nbase_url = \"https://a.example?api-key=CANARY\"",
        "[[upstream]]\nbase_url = \"https://a.example\"\nproxy = \"socks5://me:CANARY@a.example\"",
        "upstream = [{ base_url = 5, api_key = \"CANARY\" }]",
        "[[client]]\nname = \"a\"\ntoken = \"CANARY\"\n[[client]]\nname = \"b\"\ntoken = \"CANARY\"",
        "[server]\nadmin_token = \"\"\"CANARY\n\"\"\"",
        "api_key = CANARY",
        "[[upstream]]\nbase_url = \"https://a.example\"\napi_keys = [\"CANARY\", \"CANARY\"]",
        "[[upstream]]\nbase_url = \"https://a.example\"\napi_keys = [\n  \"CANARY\", # CANARY\n  \"CANARY\",\n]",
        "[[upstream]]\nbase_url = \"https://a.example\"\napi_keys = [\n  \"CANARY\",\n  5,\n  \"CANARY \",\n]",
        "[[upstream]]\nbase_url = \"https://a.example\"\napi_kyes = [\n\"CANARY\"]\nauth = 5",
        "[[upstream]]\nbase_url = \"https://a.example\"\nkyes = [\"CANARY\"]\nauth = 5",
        "[[upstream]]\nbase_url = \"https://a.example\"\napi_keys = [\n\"CANARY\nauth = 5",
        "[[alert]]\nkind = \"slack\"\nurl = \"https://hooks.slack.com/services/T0/B0/CANARY\"",
        "[[alert]]\nkind = \"slack\"\nurl = \"${X:-https://hooks.slack.com/services/T0/B0/CANARY}\"",
        "[[alert]]\nkind = \"webhook\"\nurl = \"https://a.example/CANARY\"\nsecret = \"CANARY\"",
        "[[alert]]\nkind = \"pagerduty\"\nsecret = \"CANARY\"",
        "[[alert]]\nkind = \"alertmanager\"\nurl = \"http://me:CANARY@a.example\"\nmin_severity = 5",
        "alert = [{ kind = \"webhook\", url = \"https://a.example/CANARY\", secret = 5 }]",
        "[telemetry]\notlp_headers = { \"x-api-key\" = \"CANARY\\u0007\", \"host\" = \"CANARY\" }",
        "[telemetry]\notlp_headers = { x = \"CANARY\", X = \"CANARY\" }\nsample = 7",
        "[telemetry]\notlp_heders = { \"x-api-key\" = \"CANARY\" }",
        "[telemetry]\notlp_endpoint = \"http://me:CANARY@a.example\"",
        "[telemetry]\notlp_endpoint = \"http://a.example?token=CANARY\"",
        "[[alert]]\nkind = \"slack\"\nsecert = \"CANARY\"\nurl = \"https://a.example/CANARY\nname = 5",
    ];

    #[test]
    fn no_diagnosis_repeats_a_credential() {
        for place in PLACES {
            for canary in [CANARY, "4f9a71c2d8e35b604f9a71c2"] {
                let problems = bad(&place.replace("CANARY", canary));
                let mut told = problems.render(true) + &problems.render(false);
                told.extend(problems.reported().map(|problem| serde_json::to_string(&problem).expect("JSON")));
                let tail = &canary[canary.len() - 10..];
                assert!(!told.contains(tail), "{told}");
            }
        }
    }

    #[test]
    fn no_diagnosis_repeats_a_value_of_the_environment_or_a_file() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("key"), CANARY).expect("written");
        let env = Environment::given(folder.path(), [("HOME", "/home/a"), ("KEY", CANARY)]);
        let upstream = ["name", "base_url", "auth", "proxy", "priority", "weight", "ca_file", "models", "api_keys"];
        for reference in ["${KEY}", "${file:key}", " ${KEY} "] {
            let mut texts = vec![
                format!("[server]\nlisten = \"{reference}\""),
                format!("[server]\nbody_bytes_max = \"{reference}\""),
                format!("[retry]\ncap = \"{reference}\"\npreset = \"{reference}\""),
            ];
            texts.extend(upstream.map(|key| format!("[[upstream]]\n{key} = \"{reference}\"")));
            texts.push(format!("profile = \"{reference}\"\n[timeout]\nfirst_content = \"{reference}\""));
            texts.extend([
                format!("[[route]]\nmodels = [\"{reference}\"]\nupstreams = [\"{reference}\", \"{reference}\"]"),
                format!("[[route]]\nmodels = [\"{reference}\"]\nfallback_models = [\"{reference}\", \"{reference}\"]"),
                format!("[[route]]\nmodels = [\"a\"]\nfallback_models = [\"{reference}\"]\n[[route]]\nmodels = [\"{reference}\"]\nfallback_models = [\"a\"]"),
                format!("[[upstream]]\nbase_url = \"https://a.example\"\nmodels = [\"a\"]\nmodel_map = {{ b = \"{reference}\" }}"),
                format!("[[upstream]]\nbase_url = \"https://a.example\"\nmodels = [\"a\"]\n[[route]]\nmodels = [\"a\"]\nfallback_models = [\"{reference}\"]"),
                format!("[[alert]]\nkind = \"{reference}\""),
                format!("[[alert]]\nkind = \"slack\"\nurl = \"{reference}\""),
                format!("[[alert]]\nkind = \"slack\"\nurl = \"https://{reference}/{reference}\"\nsecret = \"{reference}\""),
                format!("[[alert]]\nkind = \"webhook\"\nurl = \"https://a.example\"\nsecret = \"{reference}\""),
                format!("[[alert]]\nkind = \"alertmanager\"\nurl = \"http://a.example/{reference}?x=1\"\nname = \"{reference}\""),
            ]);
            for text in texts {
                let problems = parse_with(&text, &Overrides::default(), &env).err().unwrap_or_else(|| panic!("{text}"));
                assert!(!problems.to_string().contains("canary"), "{problems}");
            }
        }
    }

    #[test]
    fn a_secret_is_shown_by_its_origin_only() {
        let folder = tempfile::tempdir().expect("a folder");
        std::fs::write(folder.path().join("token"), format!("{CANARY}\n")).expect("written");
        let text = format!(
            "[server]\nadmin_token = \"{CANARY}\"\n[[upstream]]\nbase_url = \"https://a.example\"\napi_key = \"${{KEY}}\"\n\
             proxy = \"http://me:{CANARY}@proxy.example\"\n[[client]]\nname = \"c\"\ntoken = \"${{file:token}}\""
        );
        let env = Environment::given(folder.path(), [("HOME", "/home/a"), ("KEY", CANARY)]);
        let config = parse_with(&text, &Overrides::default(), &env).unwrap_or_else(|problems| panic!("{problems}"));
        assert_eq!(config.clients[0].token.expose(), CANARY);
        let rows = rows(&config);
        let told: Vec<String> =
            rows.iter().map(|row| format!("{row:?} {} {}", row.value.text(), row.json(&config))).collect();
        assert!(told.iter().all(|row| !row.contains("canary")), "{told:?}");
        let secrets: Vec<String> =
            rows.iter().filter(|row| matches!(row.value, Shown::Secret(_))).map(|row| row.value.text()).collect();
        assert_eq!(secrets, ["set (config file)", "set (env KEY)", "set (file token)"]);
    }

    use super::super::show::Shown;
}

mod proxies {
    use super::*;

    #[test]
    fn an_upstream_knows_its_proxy() {
        let text = |proxy: &str| format!("[[upstream]]\nbase_url = \"https://a.example\"\n{proxy}");
        let by = |proxy: &str| {
            let env = env(&[("HTTPS_PROXY", "http://by-env:3128")]);
            let config = parse_with(&text(proxy), &Overrides::default(), &env);
            config
                .map(|config| config.upstreams[0].proxy.as_ref().map(|proxy| proxy.host.clone()))
                .map_err(|p| p.to_string())
        };
        assert_eq!(by(""), Ok(Some("by-env".into())));
        assert_eq!(by("proxy = \"env\""), Ok(Some("by-env".into())));
        assert_eq!(by("proxy = \"none\""), Ok(None));
        assert_eq!(by("proxy = \"http://by-file:3128\""), Ok(Some("by-file".into())));
        assert!(by("proxy = \"https://by-file:3128\"").is_err());
    }
}

mod diagnoses {
    use super::*;

    /// Each is what somebody could write; the snapshot is what they would read.
    const TABLE: &[(&str, &str)] = &[
        ("syntax", "[server]\nlisten = \"127.0.0.1:7500\nadmin = \n"),
        ("duplicate_key", "[server]\ndrain = \"1s\"\ndrain = \"2s\"\n"),
        (
            "unknown_keys",
            "profle = \"x\"\n[retry]\nmax_attempt = 5\nconnect = \"5s\"\nbase = \"1s\"\nmax_retries = 2\nnonsense = 1\n[server]\nport = 1\napi_key = \"${KEY}\"\n[retrry]\n",
        ),
        ("unknown_class", "[retry.class.overload]\nbase = \"3s\"\n[retry.class.quota]\nbase = \"3s\"\n"),
        ("wrong_tables", "[upstream]\nbase_url = \"https://a.example\"\n[[server]]\nlisten = \"127.0.0.1:1\"\n"),
        ("table_is_value", "server = 5\n"),
        (
            "wrong_types",
            "[server]\nlisten = 7500\nin_flight_max = \"4096\"\nbehind_auth = \"yes\"\ndrain = 30\nbody_bytes_max = 1.5\n[[upstream]]\nbase_url = [\"https://a.example\"]\nmodels = \"gpt-*\"\n[budget]\ndeposit = \"20%\"\n[log]\nlevel = 1979-05-27\n",
        ),
        ("wrong_list_item", "[[upstream]]\nbase_url = \"https://a.example\"\nmodels = [\"gpt-*\", 5]\n"),
        (
            "bad_units",
            "[timeout]\nconnect = \"5\"\nbyte_idle = \"1.5s\"\ntotal = \"5 minutes\"\n[server]\nmemory_max = \"512\"\nbody_bytes_max = \"1G\"\n",
        ),
        (
            "out_of_bounds",
            "[retry]\nmax_attempts = 0\ncap = \"20m\"\n[server]\nmemory_max = \"1 KB\"\nin_flight_max = -1\nbody_bytes_max = 1\n[budget]\ndeposit = 1.5\n[journal]\nkeep = \"5m\"\nsuccess_sample = 0.00000001\n",
        ),
        (
            "words",
            "[retry]\npreset = \"openai_sdk\"\njitter = \"none\"\n[log]\nlevel = \"warning\"\n[journal]\nsync = \"ful\"\n",
        ),
        ("missing_variable", "[[upstream]]\nbase_url = \"https://a.example\"\napi_key = \"${OPENAI_API_KEY}\"\n"),
        (
            "bad_references",
            "[[upstream]]\nbase_url = \"https://${a.example\"\nname = \"${my name}\"\napi_key = \"${file:/nonexistent/key}\"\n",
        ),
        (
            "bad_urls",
            "[[upstream]]\nname = \"a\"\nbase_url = \"api.openai.com/v1\"\n[[upstream]]\nname = \"b\"\nbase_url = \"ftp://a.example\"\n[[upstream]]\nname = \"c\"\nbase_url = \"https://me:secret@a.example/v1\"\n[[upstream]]\nname = \"d\"\n",
        ),
        ("bad_addresses", "[server]\nlisten = \"localhost:7500\"\nadmin = \"127.0.0.1\"\n"),
        ("open_doors", "[server]\nlisten = \"0.0.0.0:7500\"\nadmin = \"0.0.0.0:7501\"\n"),
        (
            "open_door_own_key",
            "[server]\nlisten = \"0.0.0.0:7500\"\n[[upstream]]\nbase_url = \"https://a.example\"\napi_key = \"k\"\n",
        ),
        ("same_port", "[server]\nlisten = \"127.0.0.1:7500\"\nadmin = \"127.0.0.1:7500\"\n"),
        (
            "self_loop",
            "[server]\nlisten = \"127.0.0.1:7600\"\n[[upstream]]\nname = \"openai\"\nbase_url = \"http://localhost:7600/v1\"\n",
        ),
        (
            "keys_to_two_places",
            "[[upstream]]\nname = \"openai\"\nbase_url = \"https://api.openai.com/v1\"\n[[upstream]]\nname = \"other\"\nbase_url = \"https://other.example/v1\"\n",
        ),
        (
            "client_and_pass_through",
            "[[upstream]]\nname = \"openai\"\nbase_url = \"https://api.openai.com/v1\"\n[[client]]\nname = \"billing\"\ntoken = \"0123456789abcdef\"\n",
        ),
        (
            "same_names",
            "[[upstream]]\nname = \"a\"\nbase_url = \"https://a.example\"\n[[upstream]]\nname = \"a\"\nbase_url = \"https://a.example/2\"\n",
        ),
        (
            "clients",
            "[[upstream]]\nbase_url = \"https://a.example\"\napi_key = \"k\"\n[[client]]\nname = \"a\"\ntoken = \"0123456789abcdef\"\n[[client]]\nname = \"b\"\ntoken = \"0123456789abcdef\"\n[[client]]\nname = \"c\"\ntoken = \"short\"\n[[client]]\nname = \"d\"\n",
        ),
        ("ca_file", "[[upstream]]\nbase_url = \"https://a.example\"\nca_file = \"missing.pem\"\n"),
        (
            "contradictions",
            "[timeout]\ntotal = \"2h\"\n[retry]\ncap = \"2s\"\n[retry.class.overloaded]\nbase = \"3s\"\nmax_attempts = 9\n[server]\nmemory_max = \"16 MiB\"\nreplay_bytes_max = \"32 MiB\"\n[[upstream]]\nbase_url = \"https://a.example\"\nauth = \"api-key\"\n",
        ),
        (
            "alerts",
            "[[alert]]\nkind = \"slack\"\nurl = \"https://hooks.slack.com/services/T0/B0/xyz\"\n[[alert]]\nkind = \"webhook\"\nurl = \"https://a.example/hook\"\nsecret = \"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw\"\n[[alert]]\nkind = \"pagerduty\"\n[[alert]]\nkind = \"alertmanager\"\nurl = \"http://a.example:9093/api/v2/alerts\"\n[[alert]]\nkind = \"webhook\"\nurl = \"a.example\"\n[[alert]]\nname = \"x\"\n[[alert]]\nkind = \"alertmanger\"\nmin_severity = \"info\"\nseverity = \"critical\"\n[[alert]]\nkind = \"alertmanager\"\nurl = \"http://a.example\"\n[[alert]]\nkind = \"alertmanager\"\nurl = \"http://b.example\"\n",
        ),
        (
            "unknown_in_a_list",
            "[[upstream]]\nbase_url = \"https://a.example\"\napi_kee = \"0123456789abcdef0123\"\n[[client]]\nspeed = 1\n",
        ),
        ("bad_name", "[[upstream]]\nname = \"azure eu\"\nbase_url = \"https://a.example\"\napi_key = \"two words\"\n"),
    ];

    #[test]
    fn every_mistake_is_shown_where_it_is() {
        for (name, text) in TABLE {
            reads(name, &bad(text).to_string());
        }
    }

    #[test]
    fn what_is_wrong_outside_the_file_is_named() {
        let overrides = |upstream: &str| Overrides { upstream: Some(upstream.into()), ..Overrides::default() };
        let told = |overrides: &Overrides, variables: &[(&'static str, &'static str)]| {
            load(overrides, &env(variables)).err().map_or_else(String::new, |problems| problems.to_string())
        };
        let flag = told(&overrides("api.openai.com"), &[]);
        let variable = told(&Overrides::default(), &[("SEAWALL_UPSTREAM", "https://me:pw@a.example")]);
        let proxy = told(&Overrides::default(), &[("ALL_PROXY", "socks5://a.example:1080")]);
        let open = Overrides { listen: Some(SocketAddr::from(([0, 0, 0, 0], 80))), ..Overrides::default() };
        let open = told(&open, &[]);
        let home = Environment::given(Path::new("/nonexistent"), []);
        let home = load(&Overrides::default(), &home).err().map_or_else(String::new, |problems| problems.to_string());
        reads("outside", &[flag, variable, proxy, open, home].join("\n\n----\n\n"));
    }

    #[test]
    fn a_program_reads_the_same_problems_with_their_places() {
        let problems = bad("[retry]\nmax_attempts = 0\ncapp = \"1s\"\n");
        let read: Vec<_> = problems.reported().map(|p| (p.line, p.column, p.message.to_owned())).collect();
        assert_eq!(
            read,
            [
                (Some(2), Some(16), "`retry.max_attempts` is 0, outside 1 to 20".to_owned()),
                (Some(3), Some(1), "unknown key `capp` in [retry]".to_owned()),
            ]
        );
    }

    #[test]
    fn no_text_breaks_the_reader() {
        let whole = "[[upstream]]\nbase_url = \"https://é.example\"\napi_key = \"${A:-b}\"\nmodels = ['x']\nmodel_map = { x = 'é' }\n[[upstream]]\nbase_url = 'http://b.example'\napi_keys = [\n'é', # é\n\"\"\"k\"\"\"]\n[[route]]\nmodels = ['x*']\nupstreams = ['b']\nfallback_models = ['é']\n[retry.class.overloaded]\nbase = \"3s\"\n";
        for end in 0..whole.len() {
            if let Some(text) = whole.get(..end) {
                let _ = parse(text).map_err(|problems| problems.render(true));
            }
            if let Some(text) = whole.get(end..) {
                let _ = parse(text).map_err(|problems| problems.render(true));
            }
        }
    }
}
