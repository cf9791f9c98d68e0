//! Several keys, other names for models, shares: and every way to get them wrong.

use super::super::list;
use super::*;

fn with(lines: &str) -> String {
    format!("[[upstream]]\nname = \"openai\"\nbase_url = \"https://a.example\"\n{lines}\n")
}

#[test]
fn an_upstream_may_have_several_keys_and_shows_where_they_are_kept() {
    let text = with("api_keys = [\"${A}\", \"${B}\", \"k3\"]");
    let env = env(&[("A", CANARY), ("B", "k2")]);
    let config = parse_with(&text, &Overrides::default(), &env).unwrap_or_else(|problems| panic!("{problems}"));
    let keys: Vec<&str> = config.upstreams[0].api_keys.iter().map(Secret::expose).collect();
    assert_eq!(keys, [CANARY, "k2", "k3"]);
    let row = |key: &str| rows(&config).into_iter().find(|row| row.key == key).expect("a row");
    let shown = row("api_keys");
    assert_eq!(shown.value.text(), "set (env A), set (env B), set (config file)");
    assert_eq!(shown.json(&config)["secret"], serde_json::json!(["env A", "env B", "config file"]));
    assert_eq!(shown.source_text(&config), "seawall.toml:4");
    let single = row("api_key");
    assert_eq!((single.value.text(), single.note), ("not set".into(), None));
    assert!(!format!("{:?}", rows(&config)).contains("canary"));
}

#[test]
fn a_single_key_in_a_list_is_shown_as_a_list() {
    let config = good(&with("api_keys = [\"k\"]"));
    let row = |key: &str| rows(&config).into_iter().find(|row| row.key == key).expect("a row").value.text();
    assert_eq!((row("api_key"), row("api_keys")), ("not set".into(), "set (config file)".into()));
    let config = good(&with("api_key = \"k\""));
    let row = |key: &str| rows(&config).into_iter().find(|row| row.key == key).expect("a row").value.text();
    assert_eq!((row("api_key"), row("api_keys")), ("set (config file)".into(), "not set".into()));
}

#[test]
fn an_upstream_with_several_keys_passes_nothing_through() {
    let other = |lines: &str| format!("{}[[upstream]]\nbase_url = \"https://b.example\"\n{lines}\n", with(""));
    assert!(parse(&other("")).is_err());
    assert!(parse(&other("api_keys = [\"k\", \"l\"]")).is_ok());
    let client = "[[client]]\nname = \"c\"\ntoken = \"0123456789abcdef\"\n";
    assert!(parse(&(with("") + client)).is_err());
    assert!(parse(&(with("api_keys = [\"k\", \"l\"]") + client)).is_ok());
    assert!(parse(&with("api_keys = [\"k\", \"l\"]\nauth = \"api-key\"")).is_ok());
}

#[test]
fn keys_that_cannot_be_used_are_not_taken_for_none() {
    let client = "[[client]]\nname = \"c\"\ntoken = \"0123456789abcdef\"\n";
    for lines in
        ["api_keys = []", "api_keys = [\"\"]", "api_keys = [\"k\", \"k\"]", "api_key = \"k\"\napi_keys = [\"l\"]"]
    {
        assert_eq!(bad(&(with(lines) + client)).count(), 1, "{lines}");
    }
}

#[test]
fn models_may_be_called_otherwise_in_every_form_of_a_table() {
    let mapped = |lines: &str| good(&with(lines)).upstreams[0].model_map.clone();
    let pair = |asked: &str, sent: &str| (asked.to_owned(), sent.to_owned());
    let expected = vec![pair("gpt-4o", "eu-4o"), pair("o3", "eu-o3")];
    assert_eq!(mapped("model_map = { \"gpt-4o\" = \"eu-4o\", o3 = \"eu-o3\" }"), expected);
    assert_eq!(mapped("model_map.gpt-4o = \"eu-4o\"\nmodel_map.o3 = \"eu-o3\""), expected);
    assert_eq!(mapped("[upstream.model_map]\ngpt-4o = \"eu-4o\"\no3 = \"eu-o3\""), expected);
    let config = good(&with("models = [\"gpt-*\"]\nmodel_map = { \"gpt-4o\" = \"eu-4o\" }\nweight = 3"));
    assert_eq!(config.upstreams[0].weight, 3);
    let row = rows(&config).into_iter().find(|row| row.key == "model_map").expect("a row");
    assert_eq!(row.value.text(), "{\"gpt-4o\":\"eu-4o\"}");
}

#[test]
fn what_is_wrong_with_an_upstream_is_shown() {
    let many: String = (0..=list::KEYS_MAX).map(|n| format!("  \"${{K:-key-{n}}}\",\n")).collect();
    for (name, text) in [
        ("weights", with("weight = 0") + &with("weight = 1001").replace("\"openai\"", "\"b\"")),
        ("both_keys", with("api_key = \"${K:-a}\"\napi_keys = [\"${K:-b}\"]")),
        ("same_keys", with("api_keys = [\n  \"${K:-a}\",\n  \"bare\",\n  \"${K:-a}\",\n]")),
        ("no_keys", with("api_keys = []")),
        (
            "bad_keys",
            with("api_keys = [\"${K:-a}\", \"two words\"]")
                + &with("api_keys = [5]").replace("openai", "b")
                + &with("api_keys = \"k\"").replace("openai", "c"),
        ),
        ("too_many_keys", with(&format!("api_keys = [\n{many}]"))),
        ("model_map", with("models = [\"gpt-*\"]\nmodel_map = { \"gpt-4o\" = \"eu\", o3 = \"eu-o3\" }")),
        (
            "bad_model_maps",
            with("model_map = \"eu\"")
                + &with("model_map = {}").replace("openai", "b")
                + &with("model_map = { a = 5 }").replace("openai", "c")
                + &with("model_map = { \"gpt-*\" = \"eu\" }").replace("openai", "d")
                + &with("model_map = { a = \"\" }").replace("openai", "e"),
        ),
        ("upstream_aliases", with("keys = [\"0123456789abcdef\"]\naliases = { a = \"b\" }")),
    ] {
        reads(name, &bad(&text).to_string());
    }
}
