"""The pictures of the documentation: the dashboard in an outage of a few minutes, as anybody can see it with `seawall demo`."""

import pathlib
import time

import claims
import programs
from browser import Browser
from playwright.sync_api import sync_playwright
from scene import Scene, traffic

PICTURES = pathlib.Path(__file__).resolve().parent.parent.parent / "docs" / "pictures"
#: How long it goes on before the outage, and how long that is looked at, in seconds.
BEFORE_S = 150
WITHIN_S = 100
WIDTH, HEIGHT = 1200, 1240
#: Before the outage hardly anything fails.
CALM = ("--fault", "500:0.01", "--latency", "20ms..60ms")


def take():
    """Keeps the pictures; some four minutes."""
    door = programs.Door(None)
    door.begin("pictures", claims.Report(quiet=True))
    PICTURES.mkdir(parents=True, exist_ok=True)
    try:
        scene = Scene(door, noise=CALM, beside=CALM)
        with traffic(scene.gateway), sync_playwright() as playwright:
            time.sleep(BEFORE_S)
            scene.break_down()
            time.sleep(WITHIN_S)
            browser = Browser(playwright)
            shots = [("dashboard", "/", "light"), ("dashboard-dark", "/", "dark"), ("request", f"/requests/{scene.request()}", "light")]
            for name, path, scheme in shots:
                with browser.page(scene.base, width=WIDTH, height=HEIGHT, scheme=scheme) as page:
                    page.goto(path)
                    page.screenshot(path=str(PICTURES / f"{name}.png"))
            browser.close()
    finally:
        door.end(False)
    print("\n".join(str(path.relative_to(PICTURES.parent.parent)) for path in sorted(PICTURES.glob("*.png"))))
    return 0
