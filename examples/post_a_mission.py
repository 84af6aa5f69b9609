"""Posts a mission as the owner of a token, and prints the board. Standard library only.

python examples/post_a_mission.py http://127.0.0.1:8101 "$NANTES_TOKEN" "A map of our deliveries" 760.00
"""

from __future__ import annotations

import json
import sys
import urllib.error
import urllib.request
from typing import Any


def ask(url: str, token: str, document: dict[str, Any] | None = None) -> dict[str, Any]:
    """GET `url`, or POST `document` to it, as the token's owner; the answer, or the problem that was answered."""
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/activity+json"}
    body = None if document is None else json.dumps(document).encode()
    if body is not None:
        headers["Content-Type"] = "application/activity+json"
    try:
        with urllib.request.urlopen(urllib.request.Request(url, body, headers), timeout=30) as answer:
            return dict(json.load(answer))
    except urllib.error.HTTPError as refused:
        problem = json.load(refused)
        # The last path segment of `type` is the stable code; `detail` is for people.
        sys.exit(f"{refused.code} {problem['type'].rsplit('/', 1)[-1]}: {problem.get('detail')}")


def mission(name: str, price: str) -> dict[str, Any]:
    """A mission with the least that it needs; the server fills in the rest."""
    amount = {"type": "MonetaryAmount", "value": price, "currency": "EUR"}
    return {
        "type": "Note",
        "fedcoopType": ["Proposal", "Mission"],
        "nameMap": {"en": name},
        "occupation": {"type": "SkillRef", "codeSystem": "rome", "code": "M1855"},
        "relayScope": "federation",
        "price": {
            "type": "PriceBreakdown",
            "totalExclTax": amount,
            "lines": [{"type": "SettlementLine", "lineKind": "fee", "amount": amount}],
        },
    }


def main() -> None:
    base, token, name, price = sys.argv[1:]
    said = ask(f"{base}/actors/coop/outbox", token, mission(name, price))
    print("published", said["object"]["id"])
    board = ask(f"{base}/api/v1/board", token)
    print(f"{board['total']} on the board:")
    for row in board["items"]:
        print(f"  {row['state']:<10} {row['title']:<40} {row['id']}")


if __name__ == "__main__":
    main()
