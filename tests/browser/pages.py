"""The dashboard in a real browser: every page, wide and narrow, light and dark, with and without a script."""

import json
import re
import time

from browser import Browser, accessible, fits, shot, stopped
from claims import claim, hold, same
from playwright.sync_api import expect, sync_playwright
from programs import ask, upstream, wait_for
from scene import HOSTILE, MODEL, SEEN_S, SERVER, TOKEN, Scene, call, traffic

#: Windows: a telephone's, and a desk's.
WIDTHS = (360, 1440)
#: How a page looks, not what is on it.
SCHEMES = ("light", "dark")
#: Failing requests before an outage is one.
FAILING = 8
#: Wrong tokens after which nobody may sign in for a while: TRIES_MAX.
TRIES = 10


def at_work(door, browse):
    """A scene with trouble, looked at by `browse(browser, scene)` while it goes on."""
    scene = Scene(door)
    with traffic(scene.gateway), sync_playwright() as playwright:
        browser = Browser(playwright)
        try:
            scene.request()
            browse(browser, scene)
        finally:
            browser.close()


def paths(scene):
    """Every page, by a name."""
    incident = scene.incident()
    return {
        "now": "/",
        "upstreams": "/upstreams",
        "failures": "/failures",
        "groups": "/groups",
        "request": f"/requests/{scene.request()}",
        "incidents": "/incidents",
        "incident": f"/incidents/{incident}",
        "rehearse": "/rehearse?story=c&seeds=1",
        "nothing": "/no-such-page",
    }


@claim
def every_page_is_whole_at_every_width_in_light_and_dark_and_for_those_who_cannot_see_it(door):
    def browse(browser, scene):
        scene.break_down()
        pages = paths(scene)
        for scheme in SCHEMES:
            for width in WIDTHS:
                for name, path in pages.items():
                    began = time.monotonic()
                    with browser.page(scene.base, width=width, scheme=scheme) as page:
                        reply = page.goto(path)
                        same(reply.status, 404 if name == "nothing" else 200, f"status of {path}")
                        hold(page.locator("h1").count() == 1, f"{path} has not one heading of the first rank")
                        of = f"{name}-{scheme}-{width}"
                        accessible(page, of)
                        fits(page, of)
                        same(stopped(page), [], f"what the security policy stopped on {of}")
                        shot(page, of)
                    door.case(of, None, time.monotonic() - began)

    at_work(door, browse)


@claim
def a_page_says_what_it_says_without_a_script(door):
    def browse(browser, scene):
        scene.break_down()
        incident = scene.incident()
        request = scene.request()
        with browser.page(scene.base, script=False) as page:
            page.goto("/")
            expect(page.locator("#headline")).to_contain_text("openai")
            expect(page.locator("#live")).to_be_hidden()

            def parts():
                page.reload()
                return page.locator("#course svg rect.hit title").count()

            wait_for("a chart tells its parts", SEEN_S, parts)
            page.locator("summary").first.click()
            hold(page.locator("#minutes").is_visible(), "the numbers of the chart open without a script")
            page.get_by_role("link", name="Failures", exact=True).click()
            page.get_by_label("Status").fill("503")
            page.get_by_label("Class").select_option("overloaded")
            page.get_by_role("button", name="Filter").click()
            hold(re.search(r"[?&]status=503", page.url) and "class=overloaded" in page.url, f"the filter is in the address: {page.url}")
            expect(page.get_by_label("Status")).to_have_value("503")
            page.get_by_label("Find a request by its id").fill(request)
            page.get_by_role("button", name="Find").click()
            hold(page.url.endswith(f"/requests/{request}"), f"found: {page.url}")
            expect(page.locator("h2.id")).to_contain_text(request)
            page.goto(f"/incidents/{incident}")
            page.get_by_role("button", name="I know of it").click()
            expect(page.locator("#incident")).to_contain_text("Somebody knows")
            same(page.get_by_role("button", name="I know of it").count(), 0, "it is known now")
            shot(page, "incident-known-without-a-script")

    at_work(door, browse)


@claim
def the_page_of_now_and_of_failures_stay_true_through_an_outage_and_can_be_paused(door):
    def browse(browser, scene):
        with browser.page(scene.base) as now, browser.page(scene.base) as failures, browser.page(scene.base) as paused:
            for page, path in ((now, "/"), (failures, "/failures"), (paused, "/")):
                page.goto(path)
                # Gone if the page is loaded again.
                page.evaluate("window.__same = true")
                expect(page.locator("#live .says")).to_have_text("Live")
            paused.get_by_role("button", name="Pause").click()
            expect(paused.locator("#live .says")).to_have_text("Paused")
            held = paused.locator("#headline").inner_text()
            newest = failures.locator("#found tbody tr").first.locator("a").first.inner_text()
            # The focus stays where it is while the page changes around it.
            now.locator("#upstreams a").first.focus()

            scene.break_down()
            expect(now.locator("#headline")).to_have_class(re.compile("critical|warning"))
            expect(now.locator("#headline")).to_contain_text("openai")
            expect(now.locator("#open")).to_be_visible()
            expect(failures.locator("#found tbody tr").first.locator("a").first).not_to_have_text(newest)
            expect(failures.locator("#found tbody")).to_contain_text("currently overloaded")
            shot(now, "now-in-the-outage")
            same(now.evaluate("document.activeElement.closest('#upstreams') !== null"), True, "the focus is where it was")
            same(paused.locator("#headline").inner_text(), held, "a page that is paused")
            paused.get_by_role("button", name="Go on").click()
            expect(paused.locator("#headline")).to_contain_text("openai")

            scene.recover()
            wait_for("the upstream is well again", SEEN_S, lambda: scene.api("summary")["last_minute"]["success"] is not None)
            for page in (now, failures, paused):
                same(page.evaluate("window.__same"), True, "the page was not loaded again")
                same(stopped(page), [], "what the security policy stopped")

    at_work(door, browse)


@claim
def filters_find_and_a_wrong_one_is_told(door):
    def browse(browser, scene):
        call(scene.gateway, "gpt-4o-mini", "well")
        for number in range(3):
            call(scene.gateway, "gpt-4o-mini", f"a question {number}", "429-quota")
        with browser.page(scene.base) as page:
            page.goto("/failures")
            page.get_by_label("Model").fill("gpt-4o-mini")
            page.get_by_role("button", name="Filter").click()
            rows = page.locator("#found tbody tr")
            expect(rows).not_to_have_count(0)
            hold(all("gpt-4o-mini" in row for row in rows.all_inner_texts()), "only the model that was asked for")
            page.get_by_role("link", name="Clear").click()
            page.get_by_label("Class").select_option("server_error")
            page.get_by_role("button", name="Filter").click()
            hold(all("server_error" in row for row in page.locator("#found tbody tr").all_inner_texts()), "only the class that was asked for")
            page.get_by_label("Since").fill("yesterday")
            page.get_by_role("button", name="Filter").click()
            expect(page.get_by_role("alert")).to_contain_text("since: neither a span")
            page.goto("/failures?limit=2")
            first = page.locator("#found tbody tr").all_inner_texts()
            page.get_by_role("link", name="Older ones").click()
            expect(page.locator("#found tbody tr")).to_have_count(2)
            hold(first != page.locator("#found tbody tr").all_inner_texts(), "another page is another")
            with page.expect_response(lambda reply: "/api/v1/failures" in reply.url) as reply:
                page.get_by_role("link", name="The same as JSON").click()
            hold(reply.value.json()["failures"], "the same as JSON")

    at_work(door, browse)


@claim
def a_request_is_found_by_the_id_of_its_provider_copied_and_pointed_at(door):
    def browse(browser, scene):
        scene.break_down()
        [known] = wait_for(
            "a failure with an id", SEEN_S, lambda: [row for row in scene.api("failures?limit=50")["failures"] if row["upstream_request_id"]][:1]
        )
        with browser.page(scene.base, permissions=["clipboard-read", "clipboard-write"]) as page:
            page.goto("/")
            page.get_by_label("Find a request by its id").fill(known["upstream_request_id"])
            page.keyboard.press("Enter")
            expect(page.locator("article").first).to_contain_text(known["upstream_request_id"])
            article = page.locator("article").first
            expect(article.locator("svg.waterfall")).to_be_visible()
            article.get_by_role("button", name=re.compile(f"Copy {known['upstream_request_id']}")).first.click()
            expect(article.get_by_role("button", name=re.compile("^Copy")).filter(has_text="Copied")).to_have_count(1)
            same(page.evaluate("navigator.clipboard.readText()"), known["upstream_request_id"], "what was copied")
            article.locator("svg.waterfall rect.part.wait").first.hover()
            expect(page.locator(".tip")).to_be_visible()
            expect(page.locator(".tip")).to_contain_text("attempt 1 at openai")
            expect(article).to_contain_text("What to do about such an answer")
            expect(article).to_contain_text("First byte")
            page.goto("/requests?id=")
            expect(page.locator("main")).to_contain_text("An id is wanted")
            page.goto("/requests/req_nobody")
            expect(page.locator("main")).to_contain_text("No request on record has this id")

    at_work(door, browse)


@claim
def a_group_has_its_count_and_course_and_leads_to_its_failures(door):
    def browse(browser, scene):
        for number in range(5):
            call(scene.gateway, "gpt-4o-mini", f"a question {number}", "429-quota")
        with browser.page(scene.base) as page:
            page.goto("/groups?model=gpt-4o-mini")
            row = page.locator("tbody tr").first
            expect(row).to_contain_text("gpt-4o-mini at azure-eu")
            expect(row).to_contain_text("429, quota")
            same(row.locator("td a").first.inner_text(), "5", "how many")
            hold(row.locator("svg.spark rect.some").count() >= 1, "its course")
            shot(page, "groups-of-a-model")
            row.locator("td a").first.click()
            hold("group=" in page.url, f"the group is in the address: {page.url}")
            expect(page.locator("#found tbody tr")).to_have_count(5)
            hold(all("429" in one for one in page.locator("#found tbody tr").all_inner_texts()), "all of one kind")
            page.goto("/groups?since=never")
            expect(page.get_by_role("alert")).to_contain_text("since")

    at_work(door, browse)


@claim
def names_from_an_enemy_are_inert_on_every_page(door):
    chaos = door.chaos()
    gateway = door.gateway(SERVER + upstream(chaos))
    base = f"http://127.0.0.1:{gateway.admin}"

    def api(path):
        return json.loads(ask(gateway.admin, "GET", f"/api/v1/{path}")[2])

    for number in range(FAILING):
        call(gateway, HOSTILE, f"a question {number}", "500")
    [incident] = wait_for("the incident", SEEN_S, lambda: [row for row in api("incidents")["incidents"] if (row["model"] or "").startswith(HOSTILE[:20])])
    pages = ("/", "/upstreams", "/failures", "/groups", "/incidents", f"/incidents/{incident['id']}", f"/requests/{incident['request_ids'][0]}")
    with sync_playwright() as playwright:
        browser = Browser(playwright)
        try:
            for path in (*pages, "/failures?model=%3Cimg%20src%3Dx%20onerror%3D1%3E%E2%80%AE", "/failures?since=%3Cimg%20src%3Dx%20onerror%3D1%3E"):
                for width in WIDTHS:
                    with browser.page(base, width=width) as page:
                        page.goto(path)
                        text = page.content()
                        hold("onerror" in text, f"{path} does not even name it")
                        same(page.locator("img, main script, [onerror]").count(), 0, f"elements made of a name on {path}")
                        same(stopped(page), [], f"what the security policy stopped on {path}")
                        hold(not re.search("[\u202a-\u202e\u200b\u2066-\u2069]", text), f"{path} turns the reading order")
                        fits(page, path)
        finally:
            browser.close()


@claim
def the_keyboard_reaches_everything_and_can_skip_the_bar(door):
    def browse(browser, scene):
        with browser.page(scene.base) as page:
            page.goto("/failures")
            page.keyboard.press("Tab")
            same(page.evaluate("document.activeElement.textContent"), "Skip to content", "the first thing reached")
            hold(page.locator(".skip").bounding_box()["x"] >= 0, "it can be seen")
            page.keyboard.press("Enter")
            page.keyboard.press("Tab")
            same(page.evaluate("document.activeElement.id"), "f-since", "the first field behind the bar")
            page.goto("/")
            wanted = page.evaluate("document.querySelectorAll('a[href], button:not([hidden]), input, select, summary, [tabindex=\"0\"]').length")
            reached = set()
            for _ in range(wanted + 5):
                page.keyboard.press("Tab")
                reached.add(page.evaluate("(() => { const a = document.activeElement; return a.outerHTML.slice(0, 80) + (a.id || a.href || ''); })()"))
            for of in ("Pause", "Find", "/upstreams", "course", "summary"):
                hold(any(of in one for one in reached), f"{of} is not reached: {sorted(reached)}")

    at_work(door, browse)


@claim
def with_a_token_a_browser_signs_in_and_out_and_guessing_is_slow(door):
    chaos = door.chaos()
    config = SERVER.replace("[server]\n", f'[server]\nadmin_token = "{TOKEN}"\n') + upstream(chaos)
    gateway = door.gateway(config)
    base = f"http://127.0.0.1:{gateway.admin}"
    with sync_playwright() as playwright:
        browser = Browser(playwright)
        try:
            with browser.page(base) as page:
                page.goto("/failures?status=5xx")
                hold("/login?next=" in page.url, f"sent to sign in: {page.url}")
                accessible(page, "sign-in")
                shot(page, "sign-in")
                page.get_by_label("Admin token").fill("wrong")
                page.get_by_role("button", name="Sign in").click()
                expect(page.get_by_role("alert")).to_contain_text("not the admin token")
                page.get_by_label("Admin token").fill(TOKEN)
                page.get_by_role("button", name="Sign in").click()
                hold(page.url.endswith("/failures?status=5xx"), f"and on to where it was going: {page.url}")
                [cookie] = page.context.cookies()
                same((cookie["httpOnly"], cookie["sameSite"]), (True, "Lax"), "the cookie")
                hold(TOKEN not in cookie["value"], "the token is in the cookie")
                page.goto("/")
                expect(page.locator("#live .says")).to_have_text("Live")
                same(stopped(page), [], "what the security policy stopped")
                page.get_by_role("button", name="Sign out").click()
                page.goto("/")
                hold("/login" in page.url, "signed out")
            form = {"content-type": "application/x-www-form-urlencoded"}
            codes = [ask(gateway.admin, "POST", "/login", f"token=guess{n}", form)[0] for n in range(TRIES)]
            same(codes, [401] * (TRIES - 1) + [429], "guesses: one was made in the browser")
            status, headers, _ = ask(gateway.admin, "POST", "/login", f"token={TOKEN}", form)
            same(status, 429, "the right token, a moment too late")
            hold(1 <= int(headers["retry-after"][0]) <= 60, f"when to try again: {headers['retry-after']}")
            same(ask(gateway.admin, "GET", "/api/v1/summary", headers={"authorization": f"Bearer {TOKEN}"})[0], 200, "a program with the token")
            foreign = {**form, "origin": "https://evil.example"}
            same(ask(gateway.admin, "POST", "/login", f"token={TOKEN}", foreign)[0], 403, "a form on another site")
            same(ask(gateway.admin, "POST", "/login", "token=" + "a" * 5_000, form)[0], 400, "a form that is too long")
            same(ask(gateway.admin, "GET", "/api/v1/summary")[0], 401, "a program without it")
            hold(TOKEN not in gateway.said(), "the token is in the log")
        finally:
            browser.close()


@claim
def a_rehearsal_is_played_against_the_settings_in_force(door):
    def browse(browser, scene):
        with browser.page(scene.base) as page:
            page.goto("/rehearse")
            page.get_by_label("Story").select_option("e1")
            page.get_by_label("Seeds").fill("1")
            page.get_by_role("button", name="Play").click()
            expect(page.locator("svg.rehearsal")).to_be_visible()
            expect(page.get_by_role("region", name="What must hold").locator("tbody tr")).not_to_have_count(0)
            same(page.locator("svg.rehearsal style").count(), 0, "the look is the page's")
            same(stopped(page), [], "what the security policy stopped")
            page.goto("/rehearse?story=nonsense")
            expect(page.get_by_role("alert")).to_contain_text("there is none of this name")
            page.goto("/rehearse?story=c&seeds=1000")
            expect(page.get_by_role("alert")).to_contain_text("a number from 1 to 10")

    at_work(door, browse)


@claim
def a_page_is_painted_at_once(door):
    def browse(browser, scene):
        for path in ("/", "/upstreams", "/failures", "/incidents"):
            times = []
            for _ in range(5):
                with browser.page(scene.base) as page:
                    page.goto(path)
                    paint = "performance.getEntriesByName('first-contentful-paint')[0]?.startTime"
                    times.append(wait_for("a paint", SEEN_S, lambda page=page, paint=paint: page.evaluate(paint)))
            # A figure for people: how quick this machine is today is no claim.
            print(f"      {sorted(times)[2]:.0f} ms to the first paint of {path}")

    at_work(door, browse)


@claim
def the_journal_that_cannot_be_read_is_told_on_every_page_and_now_still_works(door):
    chaos = door.chaos()
    gateway = door.gateway(SERVER + upstream(chaos))
    base = f"http://127.0.0.1:{gateway.admin}"
    call(gateway, MODEL, "well")
    journal = next(gateway.data.glob("*.db"))
    for file in gateway.data.glob("journal.db*"):
        file.rename(file.with_name(f"away-{file.name}"))
    with sync_playwright() as playwright:
        browser = Browser(playwright)
        try:
            with browser.page(base) as page:
                same(page.goto("/").status, 200, "now, without the journal")
                same(page.goto("/failures").status, 503, "failures, without the journal")
                expect(page.get_by_role("alert")).to_contain_text("cannot be read")
                hold(str(journal) not in page.content(), "where it is concerns nobody")
                page.goto("/upstreams")
                expect(page.locator("main")).to_contain_text("cannot be read now")
        finally:
            browser.close()
