use super::*;

fn env(folder: &Path) -> Environment {
    Environment::given(folder, [("HOME", "/home/a"), ("OPENAI_API_KEY", "sk-canary-1")])
}

/// Exit code, stdout, stderr.
fn done(verb: ConfigVerb, folder: &Path) -> (u8, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let code = run(verb, &env(folder), &mut out, &mut err, false).expect("written");
    let text = |bytes| String::from_utf8(bytes).expect("UTF-8");
    (code, text(out), text(err))
}

fn with(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("seawall.toml"), text).expect("written");
    folder
}

const GOOD: &str = r#"
[server]
in_flight_max = 100

[[upstream]]
name = "openai"
base_url = "https://api.openai.com/v1"
api_key = "${OPENAI_API_KEY}"
models = ["gpt-*"]

[retry]
preset = "classic"

[retry.class.overloaded]
base = "3s"
"#;

#[test]
fn check_says_what_was_found() {
    let folder = with(GOOD);
    let (code, out, err) = done(ConfigVerb::Check { config: None, json: false }, folder.path());
    assert_eq!((code, err.as_str()), (0, ""));
    assert_eq!(out, "ok: seawall.toml: listen 127.0.0.1:7500, admin 127.0.0.1:7501, upstreams openai, no clients\n");
}

#[test]
fn an_invalid_configuration_ends_in_3_with_its_problems_on_stderr() {
    let folder = with("[retry]\nmax_attempt = 3\n");
    for verb in [ConfigVerb::Check { config: None, json: false }, ConfigVerb::Show { config: None, json: false }] {
        let (code, out, err) = done(verb, folder.path());
        assert_eq!((code, out.as_str()), (3, ""));
        assert!(err.contains("seawall.toml:2:1"), "{err}");
        assert!(err.contains("hint: did you mean `max_attempts`?"), "{err}");
    }
    let (code, out, _) = done(ConfigVerb::Check { config: None, json: true }, folder.path());
    let problem: serde_json::Value = serde_json::from_str(out.trim()).expect("one object");
    assert_eq!((code, &problem["line"], &problem["column"]), (3, &2.into(), &1.into()));
}

#[test]
fn show_prints_every_value_with_its_source() {
    let folder = with(GOOD);
    let (code, out, _) = done(ConfigVerb::Show { config: None, json: false }, folder.path());
    assert_eq!(code, 0);
    insta::with_settings!({ prepend_module_to_snapshot => false, omit_expression => true }, {
        insta::assert_snapshot!("show", out);
    });
}

#[test]
fn show_as_json_is_one_object_a_line() {
    let folder = with(GOOD);
    let (_, out, _) = done(ConfigVerb::Show { config: None, json: true }, folder.path());
    assert!(!out.contains("canary"));
    let rows: Vec<serde_json::Value> = out.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let row = |key: &str| rows.iter().find(|row| row["key"] == key).cloned().unwrap_or_default();
    assert_eq!(
        row("upstream.openai.api_key"),
        serde_json::json!({ "key": "upstream.openai.api_key", "value": null, "secret": "env OPENAI_API_KEY", "source": "file", "at": "seawall.toml:8" })
    );
    assert_eq!(row("retry.class.overloaded.base")["value"], "3s");
    assert_eq!(row("retry.class.server_error.base")["source"], "preset");
    assert_eq!(row("server.admin")["source"], "default");
}

#[test]
fn schema_is_a_json_schema() {
    let (code, out, _) = done(ConfigVerb::Schema { api: false }, Path::new("/nonexistent"));
    let schema: serde_json::Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!(code, 0);
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    assert_eq!(schema["properties"]["retry"]["properties"]["max_attempts"]["default"], 4);
    assert_eq!(schema["properties"]["retry"]["properties"]["max_attempts"]["maximum"], 20);
}

#[test]
fn init_prints_or_writes_what_check_accepts_and_overwrites_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (code, printed, _) = done(ConfigVerb::Init { output: None }, folder.path());
    assert_eq!(code, 0);
    let init = || ConfigVerb::Init { output: Some("seawall.toml".into()) };
    assert_eq!(done(init(), folder.path()), (0, "wrote seawall.toml\n".into(), String::new()));
    let written = || std::fs::read_to_string(folder.path().join("seawall.toml")).expect("read");
    assert_eq!(written(), printed);
    assert_eq!(done(ConfigVerb::Check { config: None, json: false }, folder.path()).0, 0);
    std::fs::write(folder.path().join("seawall.toml"), "# mine\n").expect("written");
    let (code, out, err) = done(init(), folder.path());
    assert_eq!((code, out.as_str(), written().as_str()), (2, "", "# mine\n"));
    assert!(err.contains("seawall.toml exists"), "{err}");
}
