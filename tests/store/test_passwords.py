"""Argon2id: what is kept says nothing of the password, and hashing holds nobody else up."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

from fedcoop.errors import Unavailable
from fedcoop.protocol import limits
from fedcoop.protocol.limits import KIB, MIB
from fedcoop.store.passwords import Argon2Passwords

SECRET = "trois vélos bleus"


@pytest.fixture
def cheap() -> Iterator[Argon2Passwords]:
    """As little work as argon2 does at all."""
    made = Argon2Passwords(memory=8 * KIB, passes=1)
    yield made
    made.close()


async def test_what_is_kept_is_argon2id_with_a_salt_of_its_own(cheap: Argon2Passwords):
    one, two = await cheap.hashed(SECRET), await cheap.hashed(SECRET)
    assert one != two
    assert re.fullmatch(r"\$argon2id\$v=19\$m=8,t=1,p=1\$[A-Za-z0-9+/]{22}\$[A-Za-z0-9+/]{43}", one)
    assert await cheap.fits(SECRET, one)
    assert await cheap.fits("trois ve\u0301los bleus", one), "the same keys on another machine"
    for wrong in ("", "trois velos bleus", SECRET + " ", SECRET.upper(), "\ud800"):
        assert not await cheap.fits(wrong, one), wrong


async def test_nobodys_password_is_looked_at_with_the_same_work(
    cheap: Argon2Passwords, monkeypatch: pytest.MonkeyPatch
):
    kept, looked = await cheap.hashed(SECRET), list[str]()
    real = Argon2id.verify_phc_encoded

    def counted(password: bytes, phc: str, *more: Any) -> None:
        looked.append(phc)
        real(password, phc, *more)

    monkeypatch.setattr(
        "fedcoop.store.passwords.Argon2id", type("Counted", (), {"verify_phc_encoded": staticmethod(counted)})
    )
    assert not await cheap.fits("something else", kept)
    assert not await cheap.fits("something else", None)
    assert not await cheap.fits("", None)
    # One look each, at hashes that were made with the same work.
    assert len(looked) == 3
    assert {phc.split("$")[3] for phc in looked} == {"m=8,t=1,p=1"}
    assert len({len(phc) for phc in looked}) == 1


def test_the_work_is_at_least_what_is_recommended():
    assert limits.PASSWORD_MEMORY >= 19 * MIB
    assert limits.PASSWORD_PASSES >= 2


async def test_what_was_kept_with_other_work_is_outdated(cheap: Argon2Passwords):
    kept = await cheap.hashed(SECRET)
    more = Argon2Passwords(memory=16 * KIB, passes=1)
    assert (cheap.outdated(kept), more.outdated(kept), more.outdated("x")) == (False, True, True)
    assert await more.fits(SECRET, kept), "and still opens"
    more.close()


async def test_one_at_a_time_beside_the_loop_and_not_without_end(
    cheap: Argon2Passwords, monkeypatch: pytest.MonkeyPatch
):
    go, threads = threading.Event(), set[str]()

    def slowly(password: str) -> str:
        threads.add(threading.current_thread().name)
        assert go.wait(10)
        return password

    monkeypatch.setattr(cheap, "_hash", slowly)
    monkeypatch.setattr(limits, "MAX_PASSWORDS_WAITING", 3)
    waiting = [asyncio.create_task(cheap.hashed(str(n))) for n in range(3)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable) as refused:
        await cheap.hashed("one too many")
    assert refused.value.retry_after > 0
    go.set()
    assert await asyncio.gather(*waiting) == ["0", "1", "2"]
    assert len(threads) == 1
    assert threading.current_thread().name not in threads
    assert await cheap.hashed("again") == "again"
