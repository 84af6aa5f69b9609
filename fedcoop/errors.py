"""Every failure fedcoop knows, by name.

    FedcoopError
    ├── Refused                 what arrived can never succeed as it is; the sender must change something
    │   ├── Malformed           400  not the JSON, not the shape, not a URL we could use
    │   ├── Unverified          401  who said this could not be established
    │   ├── Forbidden           403  who said it is known, and may not
    │   ├── NotFound            404  no such thing here, or not for you
    │   ├── Gone                410  it was here and was deleted
    │   ├── Conflict            409  the lifecycle, the chain or the id does not allow it
    │   ├── TooLarge            413  over a limit of `protocol/limits.py`
    │   ├── UnsupportedMedia    415  a content type or an encoding we do not take
    │   ├── Invalid             422  well formed, known type, and against its schema or its guard
    │   └── NotImplementedYet   501  in the vocabulary, not in this release
    ├── TryLater                the same message may succeed later
    │   ├── RateLimited         429
    │   └── Unavailable         503  a key, a predecessor or a peer is out of reach
    └── Misconfigured           an operator must act: a setting, a key or a folder is wrong

The tree is split by what the caller does next; HTTP status codes live in one table, `web/errors.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class FedcoopError(Exception):
    """A failure with a stable `code` from the vocabulary's problem list (RFC 9457; `vocab/problems.json`).

    `detail` says what happened in a sentence; `expected` and `received` say what the check compared.
    Neither ever holds a secret. `extra` is shown as further members of the problem document.
    """

    def __init__(
        self,
        code: str,
        detail: str,
        *,
        expected: str | None = None,
        received: str | None = None,
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail
        self.expected = expected
        self.received = received
        self.extra = dict(extra or {})


class Refused(FedcoopError):
    """What arrived can never succeed as it is. Nothing was stored."""


class Malformed(Refused):
    """Not the JSON, the shape or the URL it should be."""


class Unverified(Refused):
    """Who said this could not be established."""


class Forbidden(Refused):
    """The sender is known and may not do this."""


class NotFound(Refused):
    """No such thing here, or none that this requester may see."""


class Gone(Refused):
    """It was here and was deleted."""


class Conflict(Refused):
    """The lifecycle, the chain or the id does not allow it."""


class TooLarge(Refused):
    """Over a limit of `protocol/limits.py`."""


class UnsupportedMedia(Refused):
    """A content type or a content encoding we do not take."""


class Invalid(Refused):
    """Well formed and of a known type, but against its schema or a guard of its lifecycle."""


class NotImplementedYet(Refused):
    """Part of the vocabulary, not of this release; `ROADMAP.md` says when."""


class TryLater(FedcoopError):
    """The same message may succeed later. Nothing was stored. `retry_after` is in seconds."""

    def __init__(self, code: str, detail: str, *, retry_after: int = 30, **more: Any) -> None:
        super().__init__(code, detail, **more)
        self.retry_after = retry_after


class RateLimited(TryLater):
    """Too many requests from this peer or address."""


class Unavailable(TryLater):
    """A key, a predecessor or a peer is out of reach."""


class Misconfigured(FedcoopError):
    """An operator must act; `detail` says how."""
