"""Passwords as they are kept: argon2id (RFC 9106), in a thread beside the loop, one at a time.

The string that is kept says with how much work it was made (PHC string format), so that the work can grow.
"""

from __future__ import annotations

import asyncio
import base64
import os
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, TypeVar

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from fedcoop.errors import Unavailable
from fedcoop.protocol import limits
from fedcoop.protocol.limits import KIB
from fedcoop.protocol.passwords import normal

T = TypeVar("T")

SALT: Final = 16
"""Bytes, new for each password."""
LENGTH: Final = 32
"""Bytes of the hash."""
_WORK: Final = re.compile(r"\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$")


class Argon2Passwords:
    """`ports.PasswordHasher`."""

    def __init__(self, *, memory: int = limits.PASSWORD_MEMORY, passes: int = limits.PASSWORD_PASSES) -> None:
        self._memory = memory // KIB
        self._passes = passes
        # One thread: whoever sends many passwords keeps one core busy, and the loop and the other core go on.
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="password")
        self._waiting = 0
        blank = base64.b64encode(bytes(LENGTH)).decode().rstrip("=")
        self._nobodys = f"$argon2id$v=19$m={self._memory},t={passes},p=1${blank[:22]}${blank}"

    def close(self) -> None:
        """Let go of the thread; what waits in it is not hashed any more."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def hashed(self, password: str) -> str:
        """Return what is kept of a password. Raises Unavailable when too many wait."""
        return await self._aside(lambda: self._hash(password))

    async def fits(self, password: str, kept: str | None) -> bool:
        """Tell whether it is the password that was kept; None is nobody's. Raises Unavailable when too many wait."""
        # (1) Whoever is not here is looked up for as long as whoever is.
        fits = await self._fits(password, self._nobodys if kept is None else kept)
        return fits and kept is not None

    def outdated(self, kept: str) -> bool:
        """Tell whether it was kept with other work than is done now."""
        found = _WORK.match(kept)
        return found is None or found.groups() != (str(self._memory), str(self._passes), "1")

    async def _fits(self, password: str, kept: str) -> bool:
        def compare() -> bool:
            try:
                Argon2id.verify_phc_encoded(normal(password).encode("utf-8", "replace"), kept)
            except InvalidKey:
                return False
            return True

        return await self._aside(compare)

    def _hash(self, password: str) -> str:
        work = Argon2id(
            salt=os.urandom(SALT),
            length=LENGTH,
            iterations=self._passes,
            lanes=1,
            memory_cost=self._memory,
        )
        return work.derive_phc_encoded(normal(password).encode("utf-8", "replace"))

    async def _aside(self, work: Callable[[], T]) -> T:
        # (1) A queue without an end would answer nobody.
        if self._waiting >= limits.MAX_PASSWORDS_WAITING:
            retry_after = int(limits.BUSY_RETRY_AFTER.total_seconds())
            raise Unavailable("unavailable", "Too many are signing in just now.", retry_after=retry_after)
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, work)
        finally:
            self._waiting -= 1
