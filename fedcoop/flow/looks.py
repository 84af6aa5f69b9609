"""How often the key of a server that nobody decided about is fetched for what it proposes.

In memory alone, and apart from who knocked: what anybody can say in another's name costs that other nothing.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from datetime import datetime, timedelta

from fedcoop.protocol.limits import LOOKS_PER_MINUTE, PROPOSAL_EVERY


class Looks:
    """The looks of the last minute, whoever was named, and who was found to have proposed a short time ago."""

    def __init__(self) -> None:
        self._looked: deque[datetime] = deque()
        self._came: OrderedDict[str, datetime] = OrderedDict()

    def came(self, host: str, now: datetime) -> bool:
        """Tell whether a proposal was found to be of `host` less than `PROPOSAL_EVERY` ago."""
        return host in self._came and now - self._came[host] < PROPOSAL_EVERY

    def look(self, now: datetime) -> bool:
        """Count one more look; False when there were too many in the last minute."""
        while self._looked and now - self._looked[0] >= timedelta(minutes=1):
            self._looked.popleft()
        if len(self._looked) >= LOOKS_PER_MINUTE:
            return False
        self._looked.append(now)
        return True

    def found(self, host: str, now: datetime) -> None:
        """Remember that `host` proposed: its signature was good."""
        while self._came and now - next(iter(self._came.values())) >= PROPOSAL_EVERY:
            self._came.popitem(last=False)
        self._came[host] = now
        self._came.move_to_end(host)
