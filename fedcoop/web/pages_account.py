"""One's own account: following an invitation, changing the password, signing out everywhere."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from aiohttp import web

from fedcoop.errors import Invalid, RateLimited, Unverified
from fedcoop.flow import access, accounts
from fedcoop.flow.world import World
from fedcoop.ports import Account, Reader
from fedcoop.protocol import scopes
from fedcoop.protocol.limits import MAX_PASSWORD, MIN_PASSWORD
from fedcoop.protocol.passwords import Flaw
from fedcoop.protocol.roles import ROLES
from fedcoop.web import auth, forms
from fedcoop.web.admission import ADMISSION
from fedcoop.web.pages_frame import Frame
from fedcoop.web.pages_sign_in import entered, go_on, too_often
from fedcoop.web.pages_text import Words


class OwnAccount:
    """The pages and their forms."""

    def __init__(self, world: World, frame: Frame) -> None:
        self._world = world
        self._frame = frame

    def routes(self) -> Iterable[web.AbstractRouteDef]:
        """Return the routes."""
        return (
            web.get("/invitation", self.invitation),
            web.post("/invitation", self.accept),
            web.get("/account", self.show),
            web.post("/account", self.change),
            web.post("/account/sign-out", self.leave_everywhere),
        )

    # -- an invitation ---------------------------------------------------------------------------------------

    async def invitation(self, request: web.Request) -> web.Response:
        """Return the form in which whoever was invited sets a password. Looking at it uses nothing up."""
        return await self._invitation(request, request.query.get("key", ""))

    async def accept(self, request: web.Request) -> web.Response:
        """Set the password, and sign its owner in."""
        forms.from_here(request)
        sent = await forms.fields(request)
        key, chosen = sent.get("key", ""), sent.get("password", "")
        gettext = self._frame.views(request).words.gettext
        address = request.app[ADMISSION].address(request)
        try:
            # (1) Keys that somebody makes up are looked up, and that is counted.
            if address is not None:
                request.app[ADMISSION].sign_in.take(address)
        except RateLimited as limited:
            return await self._invitation(request, key, error=too_often(request, limited), status=429)
        # (2) Typed twice, or its owner does not know it.
        if chosen != sent.get("again", ""):
            return await self._invitation(
                request, key, error=gettext("The two are not the same."), status=422
            )
        try:
            begun = await accounts.accept(self._world, key, chosen)
        except Invalid as refused:
            error = flaw_named(self._frame.views(request).words, refused.extra.get("flaw"))
            return await self._invitation(request, key, error=error, status=422)
        except Unverified:
            return await self._invitation(request, key, status=422)
        return await entered(request, begun, "/account", frame=self._frame, world=self._world)

    async def _invitation(
        self, request: web.Request, key: str, *, error: str = "", status: int = 200
    ) -> web.Response:
        try:
            invited = await accounts.invited(self._world, key)
        except Unverified:
            invited, status = None, 404 if status == 200 else status
        return await self._frame.page(
            request,
            "invitation.html",
            status=status,
            invited=invited,
            key=key,
            error=error,
            least=MIN_PASSWORD,
        )

    # -- one's own -------------------------------------------------------------------------------------------

    async def show(self, request: web.Request) -> web.Response:
        """Return what somebody's account is, and the forms with which they change it."""
        return await self._show(request)

    async def change(self, request: web.Request) -> web.Response:
        """Set another password; every other sign-in ends."""
        sent = await forms.fields(request)
        try:
            by = await forms.sender(request, sent)
        except Unverified:
            return go_on("/sign-in?next=/account")
        words = self._frame.views(request).words
        chosen = sent.get("password", "")
        if chosen != sent.get("again", ""):
            return await self._show(
                request, by.actor, chosen_error=words.gettext("The two are not the same.")
            )
        try:
            # (1) Whoever finds a browser signed in guesses no more often here than at the door.
            request.app[ADMISSION].admit_password(request, by.actor)
            begun = await accounts.change_password(
                self._world, by, sent.get("present", ""), chosen, tokens_too="tokens" in sent
            )
        except Unverified:
            return await self._show(
                request, by.actor, error=words.gettext("This is not your present password.")
            )
        except RateLimited as limited:
            return await self._show(request, by.actor, error=too_often(request, limited), status=429)
        except Invalid as refused:
            flaw = flaw_named(words, refused.extra.get("flaw"))
            return await self._show(request, by.actor, chosen_error=flaw)
        return await entered(request, begun, "/account?changed=1", frame=self._frame, world=self._world)

    async def leave_everywhere(self, request: web.Request) -> web.Response:
        """End every sign-in of whoever sent the form, this one included."""
        try:
            by = await forms.sender(request, await forms.fields(request))
        except Unverified:
            return go_on("/sign-in")
        await accounts.sign_out_everywhere(self._world, by.actor)
        response = go_on("/sign-in")
        name = auth.session_cookie(request)
        response.del_cookie(name, httponly=True, samesite="Lax", secure=self._frame.secure, path="/")
        return response

    async def _show(
        self, request: web.Request, actor: str | None = None, *, status: int = 422, **errors: str
    ) -> web.Response:
        if actor is None:
            signed_in = await auth.signed_in(request)
            # (1) Nobody in particular has no account.
            if signed_in is None:
                return go_on("/sign-in?next=/account")
            actor, status = signed_in.actor, 200
        found = await self._world.store.read(lambda reader: _known(reader, actor))
        account: Account | None = found["account"]
        role = await self._world.store.read(
            lambda reader: access.role_of(reader, actor, self._world.instance)
        )
        label = ROLES[role].label
        views = self._frame.views(request)
        return await self._frame.page(
            request,
            "account.html",
            section="account",
            status=status,
            name=accounts.name_of(actor),
            role=label.fr if views.words.language == "fr" else label.en,
            since=views.moment(account.since) if account is not None and account.password else None,
            sign_ins=found["sign_ins"],
            changed="changed" in request.query,
            least=MIN_PASSWORD,
            **{"error": "", "chosen_error": "", **errors},
        )


async def _known(reader: Reader, actor: str) -> Mapping[str, Any]:
    tokens = await reader.tokens_of(actor)
    return {
        "account": await reader.account(actor),
        "sign_ins": sum(scopes.is_sign_in(token.scopes) for token in tokens),
    }


def flaw_named(words: Words, flaw: Flaw | None) -> str:
    """Return what is wrong with a password, as its owner reads it."""
    gettext = words.gettext
    names: Mapping[Flaw, str] = {
        "too-short": gettext(
            "At least %(least)s characters: three or four words are easy to remember.", least=MIN_PASSWORD
        ),
        "too-long": gettext("At most %(most)s characters.", most=MAX_PASSWORD),
        "too-plain": gettext(
            "This is one of the first that somebody would try. Take several words, or more signs."
        ),
        "about-you": gettext(
            "Your name and your co-operative’s are what somebody would try first. Add other words."
        ),
    }
    return names[flaw] if flaw is not None else gettext("This password is not taken.")
