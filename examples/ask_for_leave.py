"""A program that asks a member for leave in the browser (OAuth 2 with PKCE), reads their inbox, and says goodbye.

    python examples/ask_for_leave.py BASE CLIENT_ID

BASE is the member's co-op, such as https://coop-lyon.example. CLIENT_ID is the https address of a JSON document of
yours that says who the program is:

    {"client_id": "https://app.example/program.json", "client_name": "My calendar",
     "redirect_uris": ["http://127.0.0.1/answer"]}

It prints an address to open in a browser; the answer comes back to a port of this machine. Standard library only.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import sys
import urllib.parse
import urllib.request
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any


class Answer(BaseHTTPRequestHandler):
    """Takes the browser's visit, with the answer in its address."""

    def do_GET(self) -> None:
        self.server.answer = dict(urllib.parse.parse_qsl(self.path.partition("?")[2]))  # type: ignore[attr-defined]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.end_headers()
        self.wfile.write(b"Thank you. You can close this page.\n")

    def log_message(self, *_: Any) -> None:
        pass


def ask(url: str, form: dict[str, str] | None = None, **headers: str) -> Any:
    data = None if form is None else urllib.parse.urlencode(form).encode()
    request = urllib.request.Request(url, data=data, headers=headers)
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.loads(answer.read() or b"null")


def main(base: str, client_id: str) -> None:
    server = ask(f"{base}/.well-known/oauth-authorization-server")
    assert server["issuer"] == base
    listener = HTTPServer(("127.0.0.1", 0), Answer)
    redirect = f"http://127.0.0.1:{listener.server_port}/answer"
    state, verifier = secrets.token_urlsafe(16), secrets.token_urlsafe(32)
    challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).rstrip(b"=").decode()
    question = {
        "response_type": "code", "client_id": client_id, "redirect_uri": redirect, "scope": "read",
        "state": state, "code_challenge": challenge, "code_challenge_method": "S256",
    }  # fmt: skip
    print("open", f"{server['authorization_endpoint']}?{urllib.parse.urlencode(question)}", flush=True)
    listener.handle_request()
    answer = listener.answer  # type: ignore[attr-defined]
    listener.server_close()
    # What did not come from this server, or was not asked by us, is nobody's answer.
    if answer.get("iss") != base or answer.get("state") != state or "code" not in answer:
        sys.exit(f"no leave: {answer.get('error', 'this is another answer')}")
    token = ask(server["token_endpoint"], {
        "grant_type": "authorization_code", "code": answer["code"], "redirect_uri": redirect,
        "client_id": client_id, "code_verifier": verifier,
    })  # fmt: skip
    print("may", token["scope"], "as", token["actor"], flush=True)
    renewed = {"grant_type": "refresh_token", "refresh_token": token["refresh_token"], "client_id": client_id}
    token = ask(server["token_endpoint"], renewed)
    bearer = {"Authorization": f"Bearer {token['access_token']}", "Accept": "application/activity+json"}
    print("messages", ask(f"{token['actor']}/inbox", **bearer)["totalItems"], flush=True)
    ask(server["revocation_endpoint"], {"token": token["refresh_token"], "client_id": client_id})


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    main(*sys.argv[1:])
