//! Routes: what they become, which are refused because they would do nothing, and in which words.

use seawall_core::plan::policy::Commit;
use seawall_core::plan::route::Route;
use seawall_core::plan::upgrade::Upgrade;
use seawall_core::upstream::UpstreamId;

use super::super::list;
use super::*;

/// Three upstreams: one for everything, two for some models.
const FLEET: &str = r#"
[[upstream]]
name = "openai"
base_url = "https://a.example"
api_key = "${K:-a}"
models = ["gpt-*", "o3"]
[[upstream]]
name = "azure"
base_url = "https://b.example"
api_key = "${K:-b}"
models = ["gpt-4o", "gpt-4o-mini"]
[[upstream]]
name = "anthropic"
base_url = "https://c.example"
api_key = "${K:-c}"
models = ["claude-*"]
"#;

fn with(routes: &str) -> String {
    format!("{}{routes}", &FLEET[1..])
}

#[test]
fn a_route_names_upstreams_in_its_own_order() {
    let config = good(&with(
        "[[route]]\nmodels = [\"gpt-4o\", \"gpt-4o-mini\"]\nupstreams = [\"azure\", \"openai\"]\nfallback_models = [\"claude-4\"]\nrepeatable = true\nhedge = false\ncommit = \"buffer\"\nstream_upgrade = \"cliff\"\n[[route]]\nmodels = [\"*\"]\n",
    ));
    let texts = |list: &[&str]| list.iter().map(ToString::to_string).collect::<Vec<_>>();
    let first = Route {
        models: texts(&["gpt-4o", "gpt-4o-mini"]),
        upstreams: vec![UpstreamId(1), UpstreamId(0)],
        fallback_models: texts(&["claude-4"]),
        repeatable: true,
        hedge: Some(false),
        commit: Some(Commit::Buffer),
        upgrade: Some(Upgrade::Cliff),
    };
    assert_eq!(config.routes, [first, Route { models: texts(&["*"]), ..Route::default() }]);
    let shown: Vec<String> = rows(&config)
        .into_iter()
        .filter(|row| row.table.starts_with("route."))
        .map(|row| {
            let note = row.note.as_ref().map_or_else(String::new, |note| format!(" ({note})"));
            format!("{}.{} = {}{note} by {}", row.table, row.key, row.value.text(), row.source_text(&config))
        })
        .collect();
    reads("routes_shown", &shown.join("\n"));
}

#[test]
fn an_upstream_without_a_name_is_known_by_its_host() {
    let text = "[[upstream]]\nbase_url = \"https://api.openai.com/v1\"\n[[route]]\nmodels = [\"*\"]\nupstreams = [\"openai\"]\n";
    assert_eq!(good(text).routes[0].upstreams, [UpstreamId(0)]);
}

#[test]
fn what_makes_sense_is_not_refused() {
    for routes in [
        // Several sizes of a model that end at the smallest.
        "[[route]]\nmodels = [\"gpt-4o*\"]\nfallback_models = [\"gpt-4o-mini\"]\n",
        "[[route]]\nmodels = [\"gpt-*\"]\nfallback_models = [\"gpt-4o\", \"gpt-4o-mini\"]\n",
        "[[route]]\nmodels = [\"gpt-4o\", \"gpt-4o-mini\"]\nfallback_models = [\"gpt-4o-mini\"]\n",
        // A chain that ends.
        "[[route]]\nmodels = [\"gpt-4o\"]\nfallback_models = [\"claude-4\"]\n[[route]]\nmodels = [\"claude-*\"]\nfallback_models = [\"o3\"]\n[[route]]\nmodels = [\"o3\"]\n",
        // Two that end at the same.
        "[[route]]\nmodels = [\"gpt-4o\"]\nfallback_models = [\"o3\"]\n[[route]]\nmodels = [\"claude-*\"]\nfallback_models = [\"gpt-4o\", \"o3\"]\n",
        // The later one takes what the earlier one leaves.
        "[[route]]\nmodels = [\"gpt-4o\"]\n[[route]]\nmodels = [\"gpt-4o\", \"gpt-4o-mini\"]\n",
        "[[route]]\nmodels = [\"gpt-4o\"]\n[[route]]\nmodels = [\"gpt-*\"]\n[[route]]\nmodels = [\"*\"]\n",
        // Each of the two serves a part.
        "[[route]]\nmodels = [\"gpt-*\", \"claude-*\"]\nupstreams = [\"openai\", \"anthropic\"]\n",
        // Decided by what both leave open.
        "[[route]]\nmodels = [\"*-mini\"]\nupstreams = [\"openai\", \"azure\"]\n",
    ] {
        good(&with(routes));
    }
}

#[test]
fn a_mistake_in_an_upstream_is_not_blamed_on_its_routes() {
    let routes = "[[route]]\nmodels = [\"gpt-4o\"]\nupstreams = [\"azure\", \"nobody\"]\nfallback_models = [\"o1\"]\n";
    let problems = bad(&with(routes).replace("https://b.example", "b.example"));
    assert_eq!(problems.count(), 1, "{problems}");
    let problems = bad(&with("[[route]]\nmodels = [\"gpt-4o\"]\nupstreams = [\"nobody\"]\n"));
    assert_eq!(problems.count(), 1, "{problems}");
}

#[test]
fn lists_of_a_route_have_a_length() {
    let routes = |count: usize| {
        let one = |n| format!("[[route]]\nmodels = [\"m{n}\"]\n");
        parse(&(0..count).map(one).collect::<String>()).is_ok()
    };
    assert!(routes(seawall_core::plan::route::ROUTES_MAX));
    assert!(!routes(seawall_core::plan::route::ROUTES_MAX + 1));
    let fallbacks = |count: usize| {
        let names: Vec<String> = (0..count).map(|n| format!("\"m{n}\"")).collect();
        parse(&format!("[[route]]\nmodels = [\"a\"]\nfallback_models = [{}]\n", names.join(","))).is_ok()
    };
    assert!(fallbacks(1) && fallbacks(list::FALLBACKS_MAX));
    assert!(!fallbacks(0) && !fallbacks(list::FALLBACKS_MAX + 1));
    let upstreams = |count: usize| {
        let one = |n| format!("[[upstream]]\nname = \"u{n}\"\nbase_url = \"https://a.example/{n}\"\n");
        let fleet: String = (0..count).map(one).collect();
        let names: Vec<String> = (0..count).map(|n| format!("\"u{n}\"")).collect();
        parse(&format!("{fleet}[[route]]\nmodels = [\"a\"]\nupstreams = [{}]\n", names.join(","))).is_ok()
    };
    assert!(upstreams(1) && upstreams(UPSTREAMS_MAX));
    assert!(!upstreams(UPSTREAMS_MAX + 1));
    let name = |length: usize| {
        let name = "m".repeat(length);
        parse(&format!("[[route]]\nmodels = [\"a\"]\nfallback_models = [\"{name}\"]\n")).is_ok()
    };
    assert!(name(MODEL_BYTES_MAX));
    assert!(!name(MODEL_BYTES_MAX + 1));
}

#[test]
fn every_circle_is_found_once() {
    let circles = |routes: &str| -> Vec<String> {
        let problems = match parse(routes) {
            Ok(_) => return Vec::new(),
            Err(problems) => problems,
        };
        let told = problems.reported().map(|problem| problem.message.to_owned());
        told.filter_map(|message| message.strip_prefix("fallbacks go in a circle: ").map(str::to_owned)).collect()
    };
    let route = |from: &str, to: &str| format!("[[route]]\nmodels = [\"{from}\"]\nfallback_models = [{to}]\n");
    assert_eq!(circles(&(route("a", "\"b\"") + &route("b", "\"a\""))), ["a -> b -> a"]);
    let three = route("a", "\"b\"") + &route("b", "\"c\"") + &route("c", "\"a\"");
    assert_eq!(circles(&three), ["a -> b -> c -> a"]);
    // The way into a circle is no part of it.
    let tail = route("x", "\"a\"") + &route("a", "\"b\"") + &route("b", "\"a\"");
    assert_eq!(circles(&tail), ["a -> b -> a"]);
    // Two that share a route.
    let two = route("a", "\"b\", \"c\"") + &route("b", "\"a\"") + &route("c", "\"a\"");
    assert_eq!(circles(&two), ["a -> b -> a", "a -> c -> a"]);
    // Through a pattern, by the names that are written.
    let pattern = route("a*", "\"b1\"") + &route("b*", "\"a7\"");
    assert_eq!(circles(&pattern), ["a7 -> b1 -> a7"]);
    // A diamond is none.
    let diamond = route("a", "\"b\", \"c\"") + &route("b", "\"d\"") + &route("c", "\"d\"");
    assert_eq!(circles(&diamond), Vec::<String>::new());
    // What is taken by an earlier route leads where that one leads.
    let shadowed = route("a", "\"b\"") + &route("b", "\"c\"") + &route("*", "\"b\"");
    assert_eq!(circles(&shadowed), ["b -> c -> b"]);
}

#[test]
fn a_route_that_would_do_nothing_is_shown() {
    for (name, routes) in [
        ("route_without_models", "[[route]]\nupstreams = [\"openai\"]\n[[route]]\nmodels = []\n"),
        ("route_without_upstreams", "[[route]]\nmodels = [\"*\"]\nupstreams = []\nfallback_models = []\n"),
        (
            "route_unknown_upstream",
            "[[route]]\nmodels = [\"gpt-*\"]\nupstreams = [\"openai\", \"azur\"]\n[[route]]\nmodels = [\"o3\"]\nupstreams = [\"bedrock\", 5]\n[[route]]\nmodels = [\"claude-*\"]\nupstreams = [\"bedrock\"]\n",
        ),
        (
            "route_twice",
            "[[route]]\nmodels = [\"gpt-4o\"]\nupstreams = [\"openai\", \"azure\", \"openai\"]\nfallback_models = [\"o3\", \"o3\"]\n",
        ),
        (
            "route_nobody_serves",
            "[[route]]\nmodels = [\"gpt-4o\", \"o3\", \"claude-*\"]\nupstreams = [\"azure\"]\n[[route]]\nmodels = [\"llama-3\", \"gpt-*\"]\n[[route]]\nmodels = [\"mistral-*\", \"gpt-4o-mini\"]\nupstreams = [\"openai\"]\n",
        ),
        ("route_never_asked", "[[route]]\nmodels = [\"gpt-*\"]\nupstreams = [\"openai\", \"anthropic\"]\n"),
        (
            "route_fallback_nobody_serves",
            "[[route]]\nmodels = [\"gpt-4o\"]\nfallback_models = [\"llama-3\", \"o3\"]\n[[route]]\nmodels = [\"o*\", \"gpt-4o-mini\"]\nupstreams = [\"openai\"]\n",
        ),
        (
            "route_fallback_elsewhere",
            "[[route]]\nmodels = [\"gpt-4o\"]\nfallback_models = [\"claude-4\"]\n[[route]]\nmodels = [\"*\"]\nupstreams = [\"openai\"]\n",
        ),
        ("route_fallback_to_itself", "[[route]]\nmodels = [\"gpt-4o\"]\nfallback_models = [\"o3\", \"gpt-4o\"]\n"),
        (
            "route_circle",
            "[[route]]\nmodels = [\"gpt-*\"]\nfallback_models = [\"claude-4\"]\n[[route]]\nmodels = [\"claude-*\"]\nfallback_models = [\"o3\", \"gpt-4o\"]\n",
        ),
        (
            "route_never_taken",
            "[[route]]\nmodels = [\"gpt-*\"]\n[[route]]\nmodels = [\"gpt-4o\", \"gpt-4o-*\"]\n[[route]]\nmodels = [\"gpt-*\"]\n",
        ),
        (
            "route_bad_lists",
            "[[route]]\nmodels = \"gpt-*\"\nupstreams = \"openai\"\nfallback_models = [\"gpt-*\", 5]\nrepeatable = \"yes\"\nhedge = 1\ncommit = \"late\"\nstream_upgrade = \"alway\"\n[[route]]\nmodels = [\"o3\"]\nfallback_models = [\"a\", \"\"]\nfallbacks = [\"x\"]\n",
        ),
    ] {
        reads(name, &bad(&with(routes)).to_string());
    }
}

#[test]
fn a_route_to_an_upstream_that_a_flag_replaced_is_explained() {
    let text = "[[upstream]]\nname = \"azure\"\nbase_url = \"https://b.example\"\n[[route]]\nmodels = [\"gpt-4o\"]\nupstreams = [\"azure\"]\n";
    let flag = Overrides { upstream: Some("https://c.example/v1".into()), ..Overrides::default() };
    let by_flag = parse_with(text, &flag, &env(&[])).err().map_or_else(String::new, |problems| problems.to_string());
    let variable = env(&[("SEAWALL_UPSTREAM", "https://c.example/v1")]);
    let by_variable = parse_with(text, &Overrides::default(), &variable).err();
    let by_variable = by_variable.map_or_else(String::new, |problems| problems.to_string());
    reads("route_replaced_upstream", &[by_flag, by_variable].join("\n\n----\n\n"));
}
