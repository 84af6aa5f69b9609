"""Who said this: the keys are found, and `protocol/verification.py` judges (decision D15).

A key that was rotated since we cached it looks like a forgery: where that would explain a failure, the key is fetched
once more before the answer is 401.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

from fedcoop.errors import Unverified
from fedcoop.flow.world import World
from fedcoop.protocol.messages import Activity, Claimed, KeyDocument, RawRequest, Verified
from fedcoop.protocol.opening import open_request, proof_method
from fedcoop.protocol.verification import check_request, verify, verify_carried
from fedcoop.protocol.visiting import Visit, speaks_for_server, verify_visit

STALE_KEY: frozenset[str] = frozenset({"signature-invalid", "key-unknown", "proof-invalid", "proof-key"})
"""Failures that a rotated key would explain (SIG-21)."""

T = TypeVar("T")


def opened(request: RawRequest, *, world: World, now: datetime) -> Claimed:
    """Return what a request claims, checked as far as nobody need be asked. Raises as `opening.open_request`."""
    instance = world.instance
    return open_request(
        request,
        now=now,
        public_origin=instance.base,
        allow_origins=instance.allow_origins,
        window=instance.window,
    )


async def by_signature(world: World, claimed: Claimed, now: datetime) -> Verified:
    """Return what a request brings as said by its actor, who signed the request.

    Raises:
        Unverified, Unavailable: as `verification.verify`; the key cannot be had.
    """
    window = world.instance.window
    return await with_key(world, claimed.key_id, lambda keys: verify(claimed, keys, now=now, window=window))


async def the_request(world: World, claimed: Claimed, now: datetime) -> None:
    """Return when whoever owns the key signed the request, whoever speaks in it.

    Raises:
        Unverified, Unavailable: as `verification.check_request`; the key cannot be had.
    """
    window = world.instance.window
    await with_key(world, claimed.key_id, lambda keys: check_request(claimed, keys, now=now, window=window))


async def courier_and_author(world: World, claimed: Claimed, now: datetime) -> Verified:
    """Return what somebody else brings as said by its actor: the request says who brings, the proof who says (REL-5).

    Raises:
        Unverified, Unavailable: one of them did not; a key cannot be had.
    """
    await the_request(world, claimed, now)
    method = proof_method(claimed.activity, allow_origins=world.instance.allow_origins)
    return await by_proof(world, claimed.activity, method, now)


async def by_proof(world: World, activity: Activity, method: str, now: datetime) -> Verified:
    """Return an activity as said by its actor, whose proof by the key `method` it carries.

    Raises:
        Unverified, Unavailable: as `verification.verify_carried`; the key cannot be had.
    """
    window = world.instance.window
    return await with_key(world, method, lambda keys: verify_carried(activity, keys, now=now, window=window))


async def by_visit(world: World, visit: Visit, now: datetime) -> tuple[str, bool]:
    """Return the actor that a signed GET is of, and whether it asks for all actors of its server.

    Raises:
        Unverified, Unavailable: as `visiting.verify_visit`; the key cannot be had.
    """
    window = world.instance.window

    def check(keys: KeyDocument) -> tuple[str, bool]:
        return verify_visit(visit, keys, now=now, window=window), speaks_for_server(keys)

    return await with_key(world, visit.signature.key_id, check)


async def with_key(world: World, key_id: str, check: Callable[[KeyDocument], T]) -> T:
    """Return what `check` says with the key as cached; where a rotated key would explain a failure, fetched anew.

    Raises:
        Unverified, Unavailable: what `check` raises; the key cannot be had.
    """
    keys = await world.resolver.resolve(key_id)
    try:
        return check(keys)
    except Unverified as refusal:
        if refusal.code not in STALE_KEY:
            raise
        again = await world.resolver.resolve(key_id, refresh=True)
        if again is keys:
            raise
    return check(again)
