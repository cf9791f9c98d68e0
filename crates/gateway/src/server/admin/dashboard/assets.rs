//! What every page needs: its style, its script, its icon. All of it is in the program.

use std::sync::LazyLock;

use http::StatusCode;

use super::super::reply::{self, Reply};
use crate::chart;

/// The look of pages, and of the charts in them.
static STYLE: LazyLock<String> =
    LazyLock::new(|| format!("{}{}", include_str!("../../../../assets/seawall.css"), chart::STYLE));
const SCRIPT: &str = include_str!("../../../../assets/seawall.js");
const ICON: &str = include_str!("../../../../assets/icon.svg");

/// The asset of this name.
pub(super) fn of(name: &str) -> Reply {
    match name {
        "seawall.css" => reply::document("text/css; charset=utf-8", STYLE.clone()),
        "seawall.js" => reply::document("text/javascript; charset=utf-8", SCRIPT.to_owned()),
        "icon.svg" => reply::document("image/svg+xml", ICON.to_owned()),
        _ => reply::text(StatusCode::NOT_FOUND, "no such asset\n"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_in_an_asset_leads_elsewhere() {
        for asset in [STYLE.as_str(), SCRIPT, ICON] {
            let addresses = asset.matches("://").count() - asset.matches("http://www.w3.org/2000/svg").count();
            assert_eq!(addresses, 0, "an asset names another place");
            assert!(!asset.contains("@import") && !asset.contains("eval("));
        }
        assert!(of("seawall.css").status().is_success() && !of("../x").status().is_success());
    }
}
