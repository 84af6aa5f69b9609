"""Browsers over the pages: Chromium, at the two widths, in the two languages."""

from tests.web.pages_server import served as served
