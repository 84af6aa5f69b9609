"""A program asks a member for leave in a real browser: our page lets it follow our answer there, and nowhere else."""

from __future__ import annotations

import subprocess
import sys

import pytest
from playwright.sync_api import sync_playwright

from fedcoop.cli.instances import LocalInstance
from tests.browser.test_pages_browser import CHROMIUM, FLAGS
from tests.examples.test_examples import EXAMPLES
from tests.examples.test_examples import nantes as nantes
from tests.examples.test_examples import peer_base as peer_base
from tests.examples.test_examples import program as program

pytestmark = [pytest.mark.browser, pytest.mark.timeout(300), pytest.mark.xdist_group("browser")]


def test_a_member_says_yes_and_the_browser_takes_it_to_the_program(nantes: LocalInstance, program: str):
    command = [sys.executable, str(EXAMPLES / "ask_for_leave.py"), nantes.base, program]
    with (
        subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as asking,
        sync_playwright() as playwright,
    ):
        assert asking.stdout is not None
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        page = browser.new_context(viewport={"width": 320, "height": 800}, locale="fr-FR").new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto(asking.stdout.readline().removeprefix("open ").strip())
        page.locator("#token").fill(nantes.token)
        page.keyboard.press("Enter")
        page.wait_for_selector("button[value=allow]")
        assert "Agenda" in page.locator("main").inner_text()
        assert page.evaluate("document.documentElement.scrollWidth") <= 320
        page.locator("button[value=allow]").click()
        page.wait_for_url("http://127.0.0.1:*/answer?*")
        assert "Thank you" in page.locator("body").inner_text()
        browser.close()
        said = asking.stdout.read().splitlines()
    assert asking.returncode == 0
    assert said[0] == f"may read as {nantes.coop}"
    # (The program has closed its port before the browser asks it for a picture.)
    assert [complaint for complaint in complaints if "Content Security Policy" in complaint] == []
