"""The pages in a real browser: they fit a telephone, a keyboard is enough, a screen reader is told everything.

Each page is opened in French and English, at 320 and at 1280 pixels, light and dark, with scripts switched off as they
are for many readers. The browser itself reports what the policy of the pages would have forbidden.
"""

from __future__ import annotations

import contextlib
import itertools
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
from playwright.sync_api import Browser, BrowserContext, Locator, Page, sync_playwright

from fedcoop.errors import NotFound
from fedcoop.flow import accounts
from tests.web.pages_server import Served

# One group, one worker, one after another: while Playwright runs, its event loop is the thread's, and nobody else's.
pytestmark = [pytest.mark.browser, pytest.mark.timeout(300), pytest.mark.xdist_group("browser")]

CHROMIUM: Final = shutil.which("chromium") or "chromium"
FLAGS: Final = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
WIDTHS: Final = (320, 1280)
PAGES: Final = (
    "coop", "board", "search", "question", "nothing", "mission", "finished", "hostile", "offer", "copy", "profile",
    "engagement", "missing", "problem", "sign-in", "vocabulary", "term", "message", "deliveries", "peers",
    "account", "invitation",
)  # fmt: skip
EXPECTED_NOISE: Final = re.compile(
    "^verbose|the server responded with a status of 4(04|22)|^failed: .*/static/"
)
"""What Chromium itself says of a refusal's status, and of a picture that it no longer needs on the way elsewhere."""


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield browser
        browser.close()


@dataclass
class Window:
    """A browser window, and everything that it complained about."""

    page: Page
    served: Served
    complaints: list[str]

    def open(self, name: str) -> Page:
        path, token = addresses(self.served)[name]
        self.page.context.clear_cookies()
        if token:
            secret = self.served.signed_in(token)
            cookie = {"name": "fedcoop_session", "value": secret, "url": self.served.base}
            self.page.context.add_cookies([cookie])  # type: ignore[list-item]
        self.page.goto(self.served.base + path)
        return self.page


def addresses(served: Served) -> dict[str, tuple[str, str | None]]:
    scene = served.scene
    return {
        "coop": ("/", None),
        "board": ("/missions", None),
        "search": ("/missions?q=v%C3%A9lo&rome=N41&commune=Nantes&radius=50&class=mission", None),
        "question": ("/missions?commune=Saint-Denis&rome=zzz&radius=5", None),
        "nothing": ("/missions?q=introuvable", None),
        "mission": (served.path(scene.courier), None),
        "finished": (served.path(scene.story), scene.coops_token),
        "hostile": (served.path(scene.hostile), None),
        "offer": (served.path(scene.offer), None),
        "copy": (f"/copy?id={scene.remote}", None),
        "profile": (served.path(scene.malo), None),
        "engagement": (served.path(scene.engagement), scene.coops_token),
        "missing": ("/missions/none", None),
        "problem": ("/problems/stale", None),
        "sign-in": ("/sign-in", None),
        "vocabulary": ("/vocab/", None),
        "term": ("/vocab/Mission", None),
        "message": (served.path(scene.note), served.malos_token),
        "deliveries": ("/operator/deliveries", scene.coops_token),
        "peers": ("/operator/peers", scene.coops_token),
        "account": ("/account", token_of_one_with_a_password(served)),
        "invitation": (invitation(served), None),
    }


def token_of_one_with_a_password(served: Served) -> str:
    """Return the co-op's token, once the co-op has a password as well."""
    world, coop = served.scene.nantes.world, served.scene.nantes.id

    async def with_a_password() -> None:
        if not any(account.actor == coop for account in await accounts.list_accounts(world)):
            made = await accounts.invite(world, coop, "operator")
            await accounts.accept(world, made.secret, "trois vélos bleus")

    served.run(with_a_password())
    return served.scene.coops_token


def invitation(served: Served) -> str:
    """Return the path of an invitation in force."""
    world = served.scene.nantes.world
    made = served.run(accounts.invite(world, served.scene.malo, "member"))
    return made.address.removeprefix(served.base)


def window(chromium: Browser, served: Served, **options: Any) -> tuple[BrowserContext, Window]:
    # (Playwright's own evaluation works whatever `java_script_enabled` says; scripts of the page do not.)
    context = chromium.new_context(**options)
    found = Window(context.new_page(), served, [])
    found.page.on("console", lambda message: found.complaints.append(f"{message.type}: {message.text}"))
    found.page.on("pageerror", lambda error: found.complaints.append(f"error: {error}"))
    found.page.on("requestfailed", lambda request: found.complaints.append(f"failed: {request.url}"))
    found.page.on(
        "request",
        lambda request: (
            None
            if request.url.startswith(served.base)
            else found.complaints.append(f"left the house: {request.url}")
        ),
    )
    return context, found


def go(link: Locator) -> None:
    """Click, and wait until the browser has left: what is opened too early is broken off by where the click leads."""
    with link.page.expect_navigation():
        link.click()


def reader(chromium: Browser, served: Served, width: int, language: str) -> Iterator[Window]:
    locale = {"fr": "fr-FR", "en": "en-GB"}[language]
    context, found = window(chromium, served, viewport={"width": width, "height": 800}, locale=locale)
    yield found
    context.close()
    assert [c for c in found.complaints if not EXPECTED_NOISE.search(c)] == []


@pytest.fixture(params=[(width, language) for width in WIDTHS for language in ("fr", "en")], ids=str)
def everywhere(request: pytest.FixtureRequest, chromium: Browser, served: Served) -> Iterator[Window]:
    """A reader at each width in each language."""
    yield from reader(chromium, served, *request.param)


@pytest.fixture(params=[(320, "fr"), (1280, "en")], ids=str)
def reading(request: pytest.FixtureRequest, chromium: Browser, served: Served) -> Iterator[Window]:
    """A French reader with a telephone, an English one at a desk."""
    yield from reader(chromium, served, *request.param)


def test_every_page_fits_its_width(everywhere: Window):
    for name in PAGES:
        page = everywhere.open(name)
        width = page.viewport_size["width"] if page.viewport_size else 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width, name
        cut = page.evaluate(
            """() => [...document.querySelectorAll('body *')].filter(e => {
                if (e.closest('.scroll, .hidden, .skip, thead')) return false;
                const box = e.getBoundingClientRect();
                return box.width && (box.right > innerWidth + 1 || box.left < -1);
            }).map(e => e.outerHTML.slice(0, 90))"""
        )
        assert cut == [], name


def test_text_can_be_twice_as_large(chromium: Browser, served: Served):
    """WCAG 1.4.4, at a desk."""
    context, found = window(chromium, served, viewport={"width": 1280, "height": 800}, locale="fr")
    for name in ("coop", "board", "mission", "finished", "profile"):
        page = found.open(name)
        page.evaluate("document.documentElement.style.fontSize = '200%'")
        assert page.evaluate("document.documentElement.scrollWidth") <= 1280, name
    context.close()


FOCUS: Final = """() => {
    const e = document.activeElement;
    if (!e || e === document.body) return null;
    const style = getComputedStyle(e), box = e.getBoundingClientRect();
    return {
        tag: e.tagName, text: (e.innerText || e.getAttribute('aria-label') || e.id).trim(),
        left: box.left, top: box.top + scrollY, width: box.width, height: box.height,
        seen: box.bottom > 0 && box.top < innerHeight && box.right > 0 && box.left < innerWidth,
        outline: style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) >= 2,
    };
}"""
FOCUSABLE: Final = """() => [...document.querySelectorAll(
    'a[href], button, input:not([type=hidden]), select, summary, [tabindex="0"]')]
    .filter(e => e.checkVisibility() && !e.closest('details:not([open]) > :not(summary)')).length"""


def walk(page: Page, most: int = 400) -> list[dict[str, Any]]:
    """Press Tab from the beginning of the page until the focus leaves it."""
    page.evaluate("() => { document.activeElement.blur(); scrollTo(0, 0); }")
    found: list[dict[str, Any]] = []
    for _ in range(most):
        page.keyboard.press("Tab")
        focus = page.evaluate(FOCUS)
        if focus is None or (found and focus["text"] == found[0]["text"] and focus["tag"] == found[0]["tag"]):
            return found
        found.append(focus)
    raise AssertionError("the focus never left the page: a keyboard trap")


@pytest.mark.parametrize(
    "name",
    [
        "coop",
        "board",
        "question",
        "mission",
        "finished",
        "profile",
        "sign-in",
        "missing",
        "term",
        "message",
        "peers",
        "account",
    ],
)
def test_a_keyboard_reaches_everything_in_order_and_shows_where_it_is(reading: Window, name: str):
    page = reading.open(name)
    expected = page.evaluate(FOCUSABLE)
    # The sign-in form puts the cursor into its field only after a mistake.
    steps = walk(page)
    assert len(steps) == expected, [step["text"] for step in steps]
    assert all(step["outline"] for step in steps), [s["text"] for s in steps if not s["outline"]]
    assert all(step["seen"] for step in steps), [s["text"] for s in steps if not s["seen"]]
    wide = page.viewport_size is not None and page.viewport_size["width"] > 960
    if not wide:
        # In one column the order of the focus is the order from top to bottom.
        tops = [step["top"] for step in steps[1:]]
        backwards = [b["text"] for a, b in itertools.pairwise(steps[1:]) if b["top"] < a["top"] - 60]
        assert backwards == [], tops


@pytest.mark.parametrize(
    "name",
    [
        "coop",
        "board",
        "mission",
        "finished",
        "profile",
        "sign-in",
        "message",
        "deliveries",
        "peers",
        "account",
    ],
)
def test_everything_to_press_is_large_enough(reading: Window, name: str):
    """WCAG 2.2, 2.5.8: 24 by 24 pixels, but for links inside a sentence or a line of text."""
    page = reading.open(name)
    small = page.evaluate(
        """() => [...document.querySelectorAll('button, input:not([type=hidden]), select, .button, nav a, .sign-in')]
            .filter(e => e.checkVisibility() && !e.closest('.back'))
            .map(e => [e.outerHTML.slice(0, 80), e.getBoundingClientRect()])
            .filter(([, box]) => box.width < 24 || box.height < 24).map(([html]) => html)"""
    )
    assert small == []


def test_the_skip_link_leads_past_the_header(reading: Window):
    page = reading.open("board")
    page.keyboard.press("Tab")
    assert page.evaluate(FOCUS)["seen"]
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    inside = page.evaluate("() => !!document.activeElement.closest('main')")
    assert inside


def test_a_screen_reader_is_told_what_everything_is(reading: Window):
    page = reading.open("board")
    french = page.evaluate("() => document.documentElement.lang") == "fr"
    told = page.locator("body").aria_snapshot()
    names = (
        ('heading "Tableau des missions" [level=1]', 'textbox "Commune"', 'searchbox "Mots"', 'combobox "Distance"',
         'checkbox "Montrer aussi ce qui est clos"', 'button "Rechercher"', 'navigation "Principale"',
         'navigation "Langue"', 'search "Rechercher"', 'region "12 résultats"',
         'heading "Livraisons à vélo, samedi 12 décembre" [level=3]')
        if french
        else ('heading "Missions board" [level=1]', 'textbox "Commune"', 'searchbox "Words"', 'combobox "Distance"',
              'checkbox "Show those that are closed too"', 'button "Search"', 'navigation "Main"',
              'navigation "Language"', 'search "Search"', 'region "12 results"',
              'heading "Bike deliveries, Saturday 12 December" [level=3]')
    )  # fmt: skip
    for name in names:
        assert name in told, (name, told)
    assert 'link ""' not in told
    assert "banner" in told
    assert "main" in told
    assert "contentinfo" in told


def test_a_price_is_a_table_to_a_screen_reader_even_where_it_is_folded(reading: Window):
    page = reading.open("mission")
    told = page.locator("table.price").aria_snapshot()
    assert told.count("row ") >= 4, told
    assert "rowheader" in told
    assert "cell" in told
    assert "169,40" in told or "169.40" in told


def test_a_search_by_keyboard_comes_back_with_its_results(reading: Window):
    page = reading.open("board")
    page.focus("#rome")
    page.keyboard.type("coursier")
    page.keyboard.press("Tab")
    page.keyboard.type("Nantes")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url.endswith("#results")
    assert "rome=coursier" in page.url
    assert page.locator(".cards > li").count() == 2
    assert page.locator("#commune").input_value() == "Nantes (44109)"
    box = page.locator("#results").bounding_box()
    assert box is not None
    assert 0 <= box["y"] < 800, "the results are where the reader looks"


def test_an_ambiguous_commune_is_one_more_press(reading: Window):
    page = reading.open("question")
    page.goto(f"{reading.served.base}/missions?commune=Saint-Denis")
    go(page.get_by_role("link", name="Saint-Denis (97411)"))
    assert page.locator("#commune").input_value() == "Saint-Denis (97411)"


def test_somebody_signs_in_reads_and_signs_out(reading: Window):
    page = reading.open("board")
    go(page.locator("a.sign-in"))
    page.locator("#token").fill("wrong")
    go(page.locator("form:has(#token) button"))
    assert page.locator("#token-error").is_visible()
    assert page.evaluate("() => document.activeElement.id") == "token"
    page.locator("#token").fill(reading.served.scene.coops_token)
    go(page.locator("form:has(#token) button"))
    assert page.url.endswith("/missions")
    assert page.locator(".viewer").is_visible()
    assert "Réparation des remorques" in page.content()
    cookies = {c["name"]: c for c in page.context.cookies()}
    assert cookies["fedcoop_session"]["httpOnly"]
    assert cookies["fedcoop_session"]["sameSite"] == "Lax"
    go(page.locator("form[action='/sign-out'] button"))
    assert page.locator("a.sign-in").is_visible()
    assert "fedcoop_session" not in {c["name"] for c in page.context.cookies()}


def test_somebody_who_was_invited_sets_a_password_and_signs_in_with_it(reading: Window):
    served = reading.served
    world = served.scene.nantes.world
    theo = accounts.actor_of("theo-r", world.instance)
    with contextlib.suppress(NotFound):
        served.run(accounts.revoke(world, theo))
    made = served.run(accounts.invite(world, theo, "operator"))
    page = reading.open("board")
    page.goto(made.address)
    for password, focused in (("motdepasse2026", "password"), ("trois vélos bleus", "")):
        page.locator("#password").fill(password)
        page.locator("#again").fill(password)
        go(page.locator("main button"))
        assert page.evaluate("() => document.activeElement.id") == focused
    assert page.url.endswith("/account")
    assert page.locator(".viewer").is_visible()
    go(page.locator("form[action='/sign-out'] button"))
    page.goto(made.address)
    assert page.locator("#password").count() == 0, "the link was used"
    page.goto(f"{served.base}/operator/peers")
    page.locator("#name").fill("theo-r")
    page.locator("#password").fill("trois vélos bleus")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.url == f"{served.base}/operator/peers"
    assert page.locator(".card.peer").count() > 2


def test_an_operator_sends_again_what_did_not_arrive(reading: Window):
    page = reading.open("deliveries")
    french = page.evaluate("() => document.documentElement.lang") == "fr"
    page.locator("#state").select_option("retrying")
    go(page.locator("form.search button"))
    assert "state=retrying" in page.url
    go(page.get_by_role("button", name="Renvoyer maintenant" if french else "Send again now"))
    assert "state=retrying" in page.url, "one comes back to where one was"
    said = page.get_by_role("status").inner_text()
    assert said == ("1 remise part maintenant." if french else "1 delivery is due now.")


def test_the_language_is_changed_in_place(reading: Window):
    page = reading.open("search")
    other = "en" if page.evaluate("() => document.documentElement.lang") == "fr" else "fr"
    go(page.locator(f".languages a[hreflang={other}]"))
    assert page.evaluate("() => document.documentElement.lang") == other
    assert page.locator("#commune").input_value() == "Nantes (44109)"
    page.goto(f"{reading.served.base}/")
    assert page.evaluate("() => document.documentElement.lang") == other, "the choice is remembered"


# -- contrast ----------------------------------------------------------------------------------------------------

CONTRAST: Final = """() => {
    const parse = c => (c.match(/[\\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(v => v / 255)
        .map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
        .reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
    const ratio = (a, b) => { const [x, y] = [light(a), light(b)].sort((p, q) => q - p); return (x + .05) / (y + .05); };
    const ground = e => { for (; e; e = e.parentElement) {
        const c = parse(getComputedStyle(e).backgroundColor); if (c.length < 4 || c[3] > 0) return c; } return [255, 255, 255]; };
    const poor = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const e = walker.currentNode.parentElement, style = getComputedStyle(e);
        if (!walker.currentNode.data.trim() || !e.checkVisibility() || e.closest('.skip, .hidden')) continue;
        const size = parseFloat(style.fontSize), bold = parseInt(style.fontWeight) >= 700;
        const needed = size >= 24 || (size >= 18.66 && bold) ? 3 : 4.5;
        const found = ratio(parse(style.color), ground(e));
        if (found < needed) poor.push([found.toFixed(2), e.tagName, e.className, walker.currentNode.data.trim().slice(0, 40)]);
    }
    for (const e of document.querySelectorAll('input:not([type=hidden]), select')) {
        const found = ratio(parse(getComputedStyle(e).borderColor), ground(e.parentElement));
        if (found < 3) poor.push([found.toFixed(2), 'border', e.id]);
    }
    return poor;
}"""  # noqa: E501


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_and_every_field_stand_out_from_their_ground(chromium: Browser, served: Served, scheme: str):
    context, found = window(
        chromium, served, viewport={"width": 1280, "height": 800}, color_scheme=scheme, locale="fr"
    )
    for name in PAGES:
        page = found.open(name)
        assert page.evaluate(CONTRAST) == [], (name, scheme)
    paper = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert (paper == "rgb(20, 26, 24)") == (scheme == "dark")
    context.close()


def test_pages_work_without_scripts_and_with_more_contrast(chromium: Browser, served: Served):
    context, found = window(
        chromium,
        served,
        java_script_enabled=False,
        forced_colors="active",
        reduced_motion="reduce",
        locale="fr",
    )
    page = found.open("board")
    page.locator("#commune").fill("Angers")
    go(page.locator("main form button"))
    assert page.locator(".cards > li").count() == 1
    context.close()


def test_a_printed_mission_is_the_mission_and_not_its_controls(
    chromium: Browser, served: Served, tmp_path: Path
):
    context, found = window(chromium, served, locale="fr")
    page = found.open("finished")
    page.emulate_media(media="print")
    for hidden in ("header.site nav", ".tools", "footer.site ul"):
        assert not page.locator(hidden).first.is_visible(), hidden
    for shown in ("h1", "table.price", ".history ol"):
        assert page.locator(shown).first.is_visible(), shown
    page.pdf(path=tmp_path / "mission.pdf")
    assert (tmp_path / "mission.pdf").read_bytes().startswith(b"%PDF")
    context.close()
