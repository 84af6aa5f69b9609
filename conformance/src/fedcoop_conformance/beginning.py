"""The first `sut.toml` of a server, from three answers; everything else stands in it as a comment."""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import urlsplit

from fedcoop_conformance.speech import say

KINDS = ("c2s", "stdio", "hook")


class NotAnAddress(ValueError):
    """What was given as an address is none."""


def written(actor: str, driver: str, profiles: Sequence[str], *, name: str = "my-server") -> str:
    """Return the text of a `sut.toml`.

    Raises:
        NotAnAddress: `actor` is no http or https URL, or `driver` is no kind of driver.
    """
    parts = urlsplit(actor)
    if parts.scheme not in {"http", "https"} or not parts.netloc:
        raise NotAnAddress(
            say(f"{actor} is no http or https address", f"{actor} n’est pas une adresse http ou https")
        )
    if driver not in KINDS:
        raise NotAnAddress(
            say(f"{driver}: one of {', '.join(KINDS)}", f"{driver} : l’un de {', '.join(KINDS)}")
        )
    return "\n".join(
        [
            "# "
            + say(
                "The server under test. `fedcoop-conformance doctor` checks this file.",
                "Le serveur à tester. `fedcoop-conformance doctor` vérifie ce fichier.",
            ),
            'schema = "fedcoop-sut/1"',
            f"profiles = {json.dumps(list(profiles))}",
            "",
            "[software]",
            f"name = {json.dumps(name)}",
            'version = "0.1"',
            "",
            "[sut]",
            "# "
            + say(
                "Byte for byte as in your ids: localhost is not 127.0.0.1.",
                "Octet par octet comme dans vos identifiants : localhost n’est pas 127.0.0.1.",
            ),
            f'base = "{parts.scheme}://{parts.netloc}"',
            "# "
            + say(
                "What your server states about itself; it is tested against this (bytes, seconds).",
                "Ce que votre serveur dit de lui-même, et qui est vérifié (octets, secondes).",
            ),
            "# limits = { body = 1048576, first_retry = 1, retry_horizon = 600, key_ttl = 60 }",
            "",
            "[actors.member]",
            f"id = {json.dumps(actor)}",
            "# inbox = …, outbox = …",
            "# "
            + say(
                "A bearer token for client to server, from the environment:",
                "Un jeton pour client vers serveur, pris dans l’environnement :",
            ),
            '# token = "${MEMBER_TOKEN}"',
            "",
            "[driver]",
            f'kind = "{driver}"',
            *_DRIVER[driver],
            "",
            "[features]",
            "# cavage = true",
            "",
            "[peer]",
            "# "
            + say(
                "Fixed ports, so that your server can be told to admit and to reach these peers.",
                "Des ports fixes, pour que votre serveur puisse admettre et atteindre ces pairs.",
            ),
            "ports = [41001, 41002, 41003, 41004, 41005, 41006]",
            "",
        ]
    )


_DRIVER = {
    "c2s": [],
    "stdio": ['command = ["./adapter"]', 'fallback = ["c2s"]'],
    "hook": ['url = "http://127.0.0.1:9090/driver"', 'token = "${DRIVER_TOKEN}"', 'fallback = ["c2s"]'],
}
