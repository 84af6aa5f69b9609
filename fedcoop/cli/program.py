"""The `fedcoop` program: its verbs, and what becomes of failures (exit status 0 done, 1 failed, 2 wrongly used)."""

from __future__ import annotations

import os
from typing import Annotated, Any

import typer
from typer.core import TyperCommand, TyperGroup
from typer.exceptions import TyperException

from fedcoop import __version__
from fedcoop.cli import (
    account,
    agreement,
    debugging,
    deliveries,
    demo,
    doctor,
    explaining,
    flags,
    follow,
    history,
    identity,
    import_,
    init,
    keys,
    lookup,
    member,
    mission,
    peer,
    peerlist,
    reconcile,
    relay,
    serve,
    token,
    verify,
)
from fedcoop.cli.answer import Failed, WronglyUsed, complain, explained
from fedcoop.cli.speech import LANGUAGE, say, translated_help
from fedcoop.errors import FedcoopError, Misconfigured


class SpokenCommand(TyperCommand):
    """A command whose help is wholly in the language of the run."""

    def get_help(self, ctx: Any) -> str:
        return translated_help(super().get_help(ctx))

    def get_usage(self, ctx: Any) -> str:
        return translated_help(super().get_usage(ctx))


class SpokenGroup(TyperGroup):
    """A group of commands whose help is wholly in the language of the run."""

    def get_help(self, ctx: Any) -> str:
        return translated_help(super().get_help(ctx))

    def get_usage(self, ctx: Any) -> str:
        return translated_help(super().get_usage(ctx))


class ListingGroup(SpokenGroup):
    """A group whose command is `list` when what follows is none of its commands: `fedcoop deliveries DIR`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and not args[0].startswith("-"):
            args = ["list", *args]
        return super().parse_args(ctx, args)


def _group(help_text: str, *, cls: type[TyperGroup] = SpokenGroup) -> typer.Typer:
    return typer.Typer(
        cls=cls,
        help=help_text,
        add_completion=False,
        pretty_exceptions_enable=False,
        rich_markup_mode=None,
        no_args_is_help=True,
        context_settings={"help_option_names": ["--help", "-h"], "max_content_width": 110},
    )


def build() -> typer.Typer:
    """Return the whole command tree."""
    program = _group(
        say(
            "fedcoop: a federation server for worker co-operatives. An instance is one folder.",
            "fedcoop : un serveur de fédération pour coopératives de travail. Une instance est un dossier.",
        )
    )

    @program.callback()
    def root(
        lang: Annotated[
            str,
            typer.Option(
                "--lang",
                metavar="en|fr",
                help=say("Language of messages and help.", "Langue des messages et de l’aide."),
                show_default=False,
            ),
        ] = "",
        version: Annotated[
            bool, typer.Option("--version", help=say("Print the version.", "Affiche la version."))
        ] = False,
    ) -> None:
        if lang and lang not in {"en", "fr"}:
            raise WronglyUsed(
                "usage",
                say(f"--lang is en or fr, not {lang!r}.", f"--lang vaut en ou fr, pas {lang!r}."),
            )

    program.command("init", cls=SpokenCommand, help=init.HELP)(init.init)
    program.command("serve", cls=SpokenCommand, help=serve.HELP)(serve.serve)
    members = _group(member.HELP)
    members.command("add", cls=SpokenCommand, help=member.HELP_ADD)(member.add)
    members.command("list", cls=SpokenCommand, help=member.HELP_LIST)(member.list_)
    program.add_typer(members, name="member")
    opened = _group(token.HELP)
    opened.command("list", cls=SpokenCommand, help=token.HELP_LIST)(token.list_)
    opened.command("new", cls=SpokenCommand, help=token.HELP_NEW)(token.new)
    opened.command("revoke", cls=SpokenCommand, help=token.HELP_REVOKE)(token.revoke)
    program.add_typer(opened, name="token")
    people = _group(account.HELP)
    people.command("invite", cls=SpokenCommand, help=account.HELP_INVITE)(account.invite)
    people.command("list", cls=SpokenCommand, help=account.HELP_LIST)(account.list_)
    people.command("reset", cls=SpokenCommand, help=account.HELP_RESET)(account.reset)
    people.command("revoke", cls=SpokenCommand, help=account.HELP_REVOKE)(account.revoke)
    program.add_typer(people, name="account")
    peers = _group(peer.HELP)
    peers.command("allow", cls=SpokenCommand, help=peer.HELP_ALLOW)(peer.allow)
    peers.command("limit", cls=SpokenCommand, help=peer.HELP_LIMIT)(peer.limit)
    peers.command("freeze", cls=SpokenCommand, help=peer.HELP_FREEZE)(peer.freeze)
    peers.command("block", cls=SpokenCommand, help=peer.HELP_BLOCK)(peer.block)
    peers.command("forget", cls=SpokenCommand, help=peer.HELP_FORGET)(peer.forget)
    peers.command("unblock", cls=SpokenCommand, help=peer.HELP_UNBLOCK)(peer.unblock)
    peers.command("list", cls=SpokenCommand, help=peer.HELP_LIST)(peer.list_)
    peers.command("show", cls=SpokenCommand, help=peer.HELP_SHOW)(peer.show)
    peers.command("propose", cls=SpokenCommand, help=agreement.HELP_PROPOSE)(agreement.propose)
    peers.command("accept", cls=SpokenCommand, help=agreement.HELP_ACCEPT)(agreement.accept)
    peers.command("reject", cls=SpokenCommand, help=agreement.HELP_REJECT)(agreement.reject)
    peers.command("end", cls=SpokenCommand, help=agreement.HELP_END)(agreement.end)
    peers.command("agreements", cls=SpokenCommand, help=agreement.HELP_AGREEMENTS)(agreement.agreements)
    peers.command("list-export", cls=SpokenCommand, help=peerlist.HELP_EXPORT)(peerlist.export)
    peers.command("list-import", cls=SpokenCommand, help=peerlist.HELP_IMPORT)(peerlist.import_)
    peers.command("subscribe", cls=SpokenCommand, help=peerlist.HELP_SUBSCRIBE)(peerlist.subscribe)
    peers.command("unsubscribe", cls=SpokenCommand, help=peerlist.HELP_UNSUBSCRIBE)(peerlist.unsubscribe)
    peers.command("lists", cls=SpokenCommand, help=peerlist.HELP_LISTS)(peerlist.lists)
    peers.command("drafts", cls=SpokenCommand, help=peerlist.HELP_DRAFTS)(peerlist.drafts)
    peers.command("review", cls=SpokenCommand, help=peerlist.HELP_REVIEW)(peerlist.review)
    peers.command("health", cls=SpokenCommand, help=deliveries.HELP_HEALTH)(deliveries.health)
    program.add_typer(peers, name="peer")
    sent = _group(deliveries.HELP, cls=ListingGroup)
    sent.command("list", cls=SpokenCommand, help=deliveries.HELP_LIST)(deliveries.list_)
    sent.command("retry", cls=SpokenCommand, help=deliveries.HELP_RETRY)(deliveries.retry)
    program.add_typer(sent, name="deliveries")
    keyring = _group(keys.HELP)
    keyring.command("rotate", cls=SpokenCommand, help=keys.HELP_ROTATE)(keys.rotate)
    keyring.command("compromised", cls=SpokenCommand, help=keys.HELP_COMPROMISED)(keys.compromised)
    keyring.command("list", cls=SpokenCommand, help=keys.HELP_LIST)(keys.list_)
    keyring.command("encrypt", cls=SpokenCommand, help=keys.HELP_ENCRYPT)(keys.encrypt)
    keyring.command("passphrase", cls=SpokenCommand, help=keys.HELP_PASSPHRASE)(keys.passphrase)
    program.add_typer(keyring, name="keys")
    own = _group(identity.HELP)
    own.command("new", cls=SpokenCommand, help=identity.HELP_NEW)(identity.new)
    own.command("bind", cls=SpokenCommand, help=identity.HELP_BIND)(identity.bind)
    own.command("release", cls=SpokenCommand, help=identity.HELP_RELEASE)(identity.release)
    own.command("show", cls=SpokenCommand, help=identity.HELP_SHOW)(identity.show)
    program.add_typer(own, name="identity")
    carriers = _group(relay.HELP)
    carriers.command("init", cls=SpokenCommand, help=relay.HELP_INIT)(relay.init)
    carriers.command("serve", cls=SpokenCommand, help=relay.HELP_SERVE)(serve.serve)
    carriers.command("subscribers", cls=SpokenCommand, help=relay.HELP_SUBSCRIBERS)(relay.subscribers)
    carriers.command("accept", cls=SpokenCommand, help=relay.HELP_ACCEPT)(relay.accept)
    carriers.command("reject", cls=SpokenCommand, help=relay.HELP_REJECT)(relay.reject)
    carriers.command("subscribe", cls=SpokenCommand, help=relay.HELP_SUBSCRIBE)(relay.subscribe)
    carriers.command("leave", cls=SpokenCommand, help=relay.HELP_LEAVE)(relay.leave)
    carriers.command("list", cls=SpokenCommand, help=relay.HELP_LIST)(relay.list_)
    program.add_typer(carriers, name="relay")
    program.command("flag", cls=SpokenCommand, help=flags.HELP_FLAG)(flags.flag)
    reported = _group(flags.HELP, cls=ListingGroup)
    reported.command("list", cls=SpokenCommand, help=flags.HELP_LIST)(flags.list_)
    reported.command("show", cls=SpokenCommand, help=flags.HELP_SHOW)(flags.show)
    reported.command("close", cls=SpokenCommand, help=flags.HELP_CLOSE)(flags.close)
    program.add_typer(reported, name="flags")
    program.command("reconcile", cls=SpokenCommand, help=reconcile.HELP)(reconcile.reconcile)
    program.command("follow", cls=SpokenCommand, help=follow.HELP)(follow.follow)
    missions = _group(mission.HELP)
    missions.command("publish", cls=SpokenCommand, help=mission.HELP_PUBLISH)(mission.publish)
    program.add_typer(missions, name="mission")
    program.command("import", cls=SpokenCommand, help=import_.HELP)(import_.import_federation)
    program.command("history", cls=SpokenCommand, help=history.HELP)(history.history)
    program.command("verify", cls=SpokenCommand, help=verify.HELP)(verify.verify)
    program.command("lookup", cls=SpokenCommand, help=lookup.HELP)(lookup.lookup)
    program.command("webfinger", cls=SpokenCommand, help=debugging.HELP_WEBFINGER)(debugging.webfinger)
    program.command("nodeinfo", cls=SpokenCommand, help=debugging.HELP_NODEINFO)(debugging.nodeinfo)
    program.command("inbox", cls=SpokenCommand, help=debugging.HELP_INBOX)(debugging.inbox)
    explain = program.command("explain-signature", cls=SpokenCommand, help=explaining.HELP)
    explain(explaining.explain_signature)
    program.command("send", cls=SpokenCommand, help=debugging.HELP_SEND)(debugging.send)
    program.command("doctor", cls=SpokenCommand, help=doctor.HELP)(doctor.doctor)
    program.command("demo", cls=SpokenCommand, help=demo.HELP)(demo.demo)
    return program


def run(arguments: list[str]) -> int:
    """Run one command line and return its exit status."""
    as_json = "--json" in arguments
    # Commands that this one starts (the demo's) speak as it does.
    os.environ["FEDCOOP_LANG"] = LANGUAGE
    if arguments == ["--version"]:
        print(f"fedcoop {__version__}")
        return 0
    try:
        status = build()(_language_first(arguments), prog_name="fedcoop", standalone_mode=False)
    except WronglyUsed as failure:
        complain(failure, as_json=as_json)
        return 2
    except Failed as failure:
        complain(failure, as_json=as_json)
        return 1
    except FedcoopError as refusal:
        complain(_failure_of(refusal), as_json=as_json)
        return 1
    except TyperException as wrong:
        return _wrongly_used(wrong, as_json=as_json)
    except (KeyboardInterrupt, typer.Abort):
        return 130
    except Exception as bug:
        if as_json:
            complain(Failed("bug", f"{type(bug).__name__}: {bug}"), as_json=True)
        raise
    return status if isinstance(status, int) else 0


def _language_first(arguments: list[str]) -> list[str]:
    """Move `--lang` in front of the verb, so that it may stand anywhere."""
    for position, argument in enumerate(arguments):
        if argument == "--":
            break
        if argument.startswith("--lang="):
            return [argument, *arguments[:position], *arguments[position + 1 :]]
        if argument == "--lang" and position + 1 < len(arguments):
            return [*arguments[position : position + 2], *arguments[:position], *arguments[position + 2 :]]
    return arguments


def _failure_of(refusal: FedcoopError) -> Failed:
    """Return the failure that a refusal is for a person: its problem's title and help in the language of the run."""
    from fedcoop.protocol.model import PROBLEMS

    detail, next_step = refusal.detail, str(refusal.extra.get("next", "")) or explained(refusal.code)
    detail = say(detail, str(refusal.extra.get("detail_fr", detail)))
    next_step = say(next_step, str(refusal.extra.get("next_fr", next_step)))
    problem = PROBLEMS.get(refusal.code)
    if problem is not None and not isinstance(refusal, Misconfigured):
        detail = say(detail, f"{problem.title_fr} : {detail}")
        next_step = next_step or say(problem.help_en, problem.help_fr)
    if refusal.expected is not None:
        detail += say(f" Expected: {refusal.expected}.", f" Attendu : {refusal.expected}.")
    if refusal.received is not None:
        detail += say(f" Received: {refusal.received}.", f" Reçu : {refusal.received}.")
    return Failed(
        refusal.code,
        detail if isinstance(refusal, Misconfigured) else f"{detail} ({refusal.code})",
        next_step=next_step,
        extra={
            k: v for k, v in (("expected", refusal.expected), ("received", refusal.received)) if v is not None
        },
    )


def _wrongly_used(wrong: TyperException, *, as_json: bool) -> int:
    context = getattr(wrong, "ctx", None)
    if type(wrong).__name__ == "NoArgsIsHelpError":
        print(wrong.format_message())
        return 2
    command = context.command_path if context is not None else "fedcoop"
    failure = WronglyUsed(
        "usage",
        _usage_sentence(wrong),
        next_step=say(f"`{command} --help` shows how it is used.", f"`{command} --help` montre l’usage."),
    )
    complain(failure, as_json=as_json)
    return wrong.exit_code


def _usage_sentence(wrong: TyperException) -> str:
    """Say in the language of the run what the framework found wrong with the arguments."""
    english = wrong.format_message()
    parameter = getattr(wrong, "param", None)
    name = parameter.get_error_hint() if parameter is not None else ""
    match type(wrong).__name__:
        case "NoSuchOption":
            return say(english, f"Option inconnue : {getattr(wrong, 'option_name', '')}.")
        case "MissingParameter":
            return say(english, f"Il manque {name or 'un argument'}.")
        case "BadParameter":
            return say(english, f"Valeur refusée pour {name} : {wrong.message}")
        case "BadOptionUsage":
            return say(english, f"L’option {getattr(wrong, 'option_name', '')} attend une valeur.")
        case _:
            unknown = english.removeprefix("No such command ")
            if unknown != english:
                return say(
                    english, f"Commande inconnue : {unknown}".replace("Did you mean", "Vouliez-vous dire")
                )
            if english == "Missing command.":
                return say(english, "Il manque une commande.")
            return english
