"""What a person does in a browser: signs in, reads who asks for leave, and says yes. For the adapter of fedcoop."""

from __future__ import annotations

import re
import urllib.error
import urllib.parse
import urllib.request
from email.message import Message
from typing import Any


class Refused(Exception):
    """The server said no, over HTTP."""

    def __init__(self, url: str, status: int) -> None:
        super().__init__(f"{url}: {status}")
        self.status = status


def allow(base: str, token: str, url: str) -> str:
    """Sign in with the member's token, say yes to the program that asks at `url`; return where the browser is sent.

    Raises:
        Refused: the member cannot sign in, or the request is not shown to them.
    """
    _, headers, _ = visit(f"{base}/sign-in", form={"token": token})
    cookie = headers.get("Set-Cookie", "").partition(";")[0]
    status, _, page = visit(url, cookie=cookie)
    word = re.search(r'name="form" value="([^"]+)"', page)
    if status != 200 or word is None:
        raise Refused(url, status)
    status, headers, _ = visit(url, cookie=cookie, form={"form": word[1], "decision": "allow"})
    if status != 303:
        raise Refused(url, status)
    return str(headers["Location"])


def visit(url: str, *, form: dict[str, str] | None = None, cookie: str = "") -> tuple[int, Message, str]:
    """Ask as a browser does, without following where it is sent; return status, headers and page."""
    data = None if form is None else urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(url, data, {"Accept": "text/html", "Cookie": cookie})  # noqa: S310 (our server)
    try:
        with urllib.request.build_opener(Stay).open(request, timeout=20) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as answer:
        return answer.code, answer.headers, answer.read().decode()


class Stay(urllib.request.HTTPRedirectHandler):
    """Follows nothing."""

    def redirect_request(self, *_: Any) -> None:
        return None
