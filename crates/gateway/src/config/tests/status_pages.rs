//! Which page an upstream has, and the way there.

use super::*;

fn with(host: &str, lines: &str) -> String {
    format!("[[upstream]]\nname = \"up\"\nbase_url = \"https://{host}/v1\"\n{lines}\n")
}

/// The page, its proxy, and how it is shown.
fn page(text: &str, variables: &[(&str, &str)]) -> (Option<String>, Option<String>, String) {
    let config =
        parse_with(text, &Overrides::default(), &env(variables)).unwrap_or_else(|problems| panic!("{problems}"));
    let page = config.upstreams[0].status_page.clone();
    let row = rows(&config).into_iter().find(|row| row.key == "status_page").expect("a row");
    let shown = format!("{} {}", row.value.text(), row.note.unwrap_or_default());
    let proxy = page.as_ref().and_then(|page| page.proxy.as_ref()).map(ProxyUrl::shown);
    (page.map(|page| page.shown()), proxy, shown.trim().to_owned())
}

#[test]
fn it_is_the_one_that_is_named_or_the_one_that_is_known_or_none() {
    let known = Some("https://status.openai.com".to_owned());
    assert_eq!(page("", &[]), (known.clone(), None, "\"https://status.openai.com\" known".into()));
    assert_eq!(page(&with("api.openai.com", ""), &[]).0, known);
    assert_eq!(page(&with("own.example", ""), &[]), (None, None, "not set none is known".into()));
    for off in ["off", ""] {
        let text = with("api.openai.com", &format!("status_page = \"{off}\""));
        assert_eq!(page(&text, &[]), (None, None, "\"off\"".into()));
    }
    let named = with("own.example", "status_page = \"https://status.example/acme/\"");
    assert_eq!(page(&named, &[]).0.as_deref(), Some("https://status.example/acme"));
}

#[test]
fn it_is_reached_as_its_upstream_is() {
    let known = |lines: &str, variables: &[(&str, &str)]| page(&with("api.openai.com", lines), variables);
    let environment = [("HTTPS_PROXY", "http://proxy.example:3128")];
    let through = Some("http://proxy.example:3128".to_owned());
    assert_eq!(known("", &environment).1, through);
    assert_eq!(known("proxy = \"none\"", &environment).1, None);
    assert_eq!(known("proxy = \"http://proxy.example:3128\"", &[]).1, through);
    let excepted = [environment[0], ("NO_PROXY", "status.openai.com")];
    assert_eq!(known("", &excepted).1, None, "by its own host");
    let unusable = [("HTTPS_PROXY", "socks5://a:1"), ("NO_PROXY", "api.openai.com")];
    assert_eq!(known("", &unusable).0, None, "not around a proxy, and no reason to refuse: nobody asked for it");
    let named = with("api.openai.com", "status_page = \"https://status.example\"");
    let refused = parse_with(&named, &Overrides::default(), &env(&unusable)).err().map(|p| p.to_string());
    assert!(refused.is_some_and(|text| text.contains("the proxy in HTTPS_PROXY cannot be used")));
}

#[test]
fn an_address_that_is_none_is_refused_with_its_place() {
    for wrong in ["on", "status.example", "https://a:b@status.example", "https://status.example/?x=1"] {
        let problems = bad(&with("own.example", &format!("status_page = \"{wrong}\""))).to_string();
        assert!(problems.contains("`upstream.status_page`") && problems.contains(":4:"), "{problems}");
    }
    let problems = bad("[status_page]\npoll = \"allways\"\n").to_string();
    assert!(problems.contains("did you mean \"always\"?"), "{problems}");
}
