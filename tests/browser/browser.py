"""A real Chromium, and what it must not see on any page."""

import contextlib
import os
import pathlib
import shutil

from claims import hold, same
from programs import TEST

SHOTS = TEST / "shots"
AXE = TEST / "axe" / "node_modules" / "axe-core" / "axe.min.js"
#: The system's own: Playwright only drives it.
CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
#: For anything that is only waited for, in milliseconds.
SEEN_MS = 30_000
#: Findings of axe that fail a page.
GRAVE = ("serious", "critical")
#: Rules beyond the standard that are about taste, or about whole sites.
AXE_TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22aa", "best-practice"]

#: Runs before anything of a page does: notes what its security policy stopped.
WATCH = """
window.__stopped = [];
document.addEventListener('securitypolicyviolation', (event) =>
  window.__stopped.push(`${event.effectiveDirective}: ${event.blockedURI} ${event.sample}`));
"""


class Browser:
    """Chromium without a window."""

    def __init__(self, playwright):
        # A sandbox of its own is not to be had for root, or in a container; the pages are our own.
        self.chromium = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        SHOTS.mkdir(parents=True, exist_ok=True)

    def close(self):
        self.chromium.close()

    @contextlib.contextmanager
    def page(self, base, width=1440, height=900, scheme="light", script=True, **options):
        """A page in a context of its own. When it is left, nothing may have gone wrong on it."""
        context = self.chromium.new_context(
            base_url=base, viewport={"width": width, "height": height}, color_scheme=scheme, java_script_enabled=script, **options
        )
        context.set_default_timeout(SEEN_MS)
        if script:
            context.add_init_script(WATCH)
        page = context.new_page()
        wrong = []
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("console", lambda said: wrong.append(f"console: {said.text}") if said.type in ("error", "warning") else None)
        page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
        page.on("request", lambda asked: None if asked.url.startswith((base, "data:")) else wrong.append(f"asks elsewhere: {asked.url}"))
        try:
            yield page
            # A status that is meant to be one is no fault of the page.
            meant = [one for one in wrong if "the server responded with a status of" in one]
            same([one for one in wrong if one not in meant], [], "what went wrong on the page")
        finally:
            context.close()


def stopped(page):
    """What the security policy stopped on this page."""
    return page.evaluate("window.__stopped")


def accessible(page, of):
    """Fails with what axe finds grave."""
    page.evaluate(AXE.read_text())
    found = page.evaluate("tags => axe.run(document, { runOnly: { type: 'tag', values: tags } })", AXE_TAGS)
    grave = [
        f"{one['id']} ({one['impact']}): {one['help']}: {one['nodes'][0]['html'][:200]}" for one in found["violations"] if one["impact"] in GRAVE
    ]
    hold(len(found["passes"]) > 10, f"axe looked at too little of {of}")
    same(grave, [], f"what axe finds on {of}")


def fits(page, of):
    """Fails if the page is wider than the window."""
    inner, scroll = page.evaluate("[document.documentElement.clientWidth, document.documentElement.scrollWidth]")
    hold(scroll <= inner, f"{of} is {scroll} wide in a window of {inner}")


def shot(page, name):
    """Keeps a picture of all of the page."""
    path = SHOTS / f"{name}.png"
    page.screenshot(path=str(path), full_page=True)
    return pathlib.Path(path)
