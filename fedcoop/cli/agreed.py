"""How a federation agreement is shown, as JSON and as a line."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from fedcoop.cli.speech import say

if TYPE_CHECKING:
    from fedcoop.protocol.messages import Chain


def described(chain: Chain) -> dict[str, Any]:
    """Return what is said of an agreement with `--json`; `endsAt` is when it ends by itself, as it stands."""
    from fedcoop.protocol.agreements import ends_at

    end = ends_at(chain)
    return {
        "id": chain.id,
        "state": chain.state,
        "proposedBy": chain.owner,
        "parties": sorted(chain.parties.values()),
        "scopes": chain.document.get("scopes"),
        "noticePeriod": chain.document.get("noticePeriod"),
        "referralRate": chain.document.get("referralRate"),
        "endsAt": end.isoformat() if end is not None else None,
        "since": chain.memory.get("saidAt"),
    }


def line_of(chain: Chain) -> str:
    """Return the line of an agreement, in the language of the run."""
    from fedcoop.protocol.agreements import ends_at

    end = ends_at(chain)
    until = (
        say(f", until {end:%Y-%m-%d %H:%M}", f", jusqu’au {end:%Y-%m-%d %H:%M}") if end is not None else ""
    )
    state, since = state_word(chain.state), str(chain.memory.get("saidAt"))[:10]
    return say(
        f"agreement {state} since {since}{until}: {chain.id}",
        f"accord {state} depuis {since}{until} : {chain.id}",
    )


def state_word(state: str) -> str:
    """Return the name of an agreement's state, in the language of the run."""
    from fedcoop.protocol.model import CODE_LISTS

    label = CODE_LISTS["AgreementState"][state]
    return say(label.en, label.fr)
