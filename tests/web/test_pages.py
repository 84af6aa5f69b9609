"""What people read on each page, in both languages; what they must never get; and that any reader can use it."""

from __future__ import annotations

import itertools
import re
from dataclasses import replace
from typing import Any

import pytest

from fedcoop.protocol.messages import BuryObject, DropListing, PutActor, PutListing, PutObject
from fedcoop.protocol.model import PROBLEMS, WHO_ACTS
from fedcoop.protocol.shape import PUBLIC
from tests.conftest import NOON
from tests.web.pages_server import Answer, Markup, Served


@pytest.fixture
def paths(served: Served) -> dict[str, tuple[str, str | None]]:
    """Every kind of page: its path, and the token with which it is read."""
    scene = served.scene
    return {
        "coop": ("/", None),
        "coop, signed in": ("/", scene.coops_token),
        "board": ("/missions", None),
        "search": ("/missions?q=v%C3%A9lo&rome=N41&commune=Nantes&radius=50&class=mission", None),
        "question": ("/missions?commune=Saint-Denis&rome=zzz&radius=-1", None),
        "nothing": ("/missions?q=introuvable", None),
        "mission": (served.path(scene.courier), None),
        "hostile": (served.path(scene.hostile), None),
        "finished": (served.path(scene.story), scene.coops_token),
        "offer": (served.path(scene.offer), None),
        "need": (f"/copy?id={scene.need}", None),
        "copy": (f"/copy?id={scene.remote}", None),
        "profile": (served.path(scene.malo), None),
        "engagement": (served.path(scene.engagement), scene.coops_token),
        "missing": ("/missions/none", None),
        "problem": ("/problems/stale", None),
        "sign-in": ("/sign-in", None),
        "vocabulary": ("/vocab/", None),
        "term": ("/vocab/Mission", None),
    }


def every_page(served: Served, paths: dict[str, tuple[str, str | None]], language: str) -> dict[str, Answer]:
    return {name: served.get(path, token=token, language=language) for name, (path, token) in paths.items()}


# -- what every page is ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("language", ["fr", "en"])
def test_every_page_is_in_the_language_asked_for(
    served: Served, paths: dict[str, tuple[str, str | None]], language: str
):
    for name, answer in every_page(served, paths, language).items():
        page = answer.page
        assert page.one("html").attributes["lang"] == language, name
        assert answer.headers["Content-Language"] == language, name
        names = {link.text: link for link in page.all("a") if "hreflang" in link.attributes}
        assert set(names) == {"Français", "English"}, name
        current = [
            link.attributes["hreflang"] for link in names.values() if "aria-current" in link.attributes
        ]
        assert current == [language], name


def test_every_page_has_one_main_heading_and_no_level_is_skipped(
    served: Served, paths: dict[str, tuple[str, str | None]]
):
    for name, answer in every_page(served, paths, "fr").items():
        levels = [int(e.tag[1]) for e in answer.page.elements if re.fullmatch(r"h[1-6]", e.tag)]
        assert levels[0] == 1, name
        assert levels.count(1) == 1, name
        jumps = [(a, b) for a, b in itertools.pairwise(levels) if b > a + 1]
        assert jumps == [], (name, levels)


def test_every_input_has_a_label_and_every_reference_a_target(
    served: Served, paths: dict[str, tuple[str, str | None]]
):
    for name, answer in every_page(served, paths, "fr").items():
        page = answer.page
        ids = [e.attributes["id"] for e in page.elements if "id" in e.attributes]
        assert len(ids) == len(set(ids)), (name, ids)
        labelled = {label.attributes["for"] for label in page.all("label")}
        fields = [e for e in page.elements if e.tag in ("input", "select", "textarea")]
        for field in fields:
            assert field.attributes.get("type") == "hidden" or field.attributes["id"] in labelled, name
        for element in page.elements:
            for attribute in ("aria-labelledby", "aria-describedby", "for"):
                for target in element.attributes.get(attribute, "").split():
                    assert target in ids, (name, attribute, target)
        assert all("alt" in image.attributes for image in page.all("img")), name
        for landmark in page.all("nav"):
            assert landmark.attributes["aria-label"], name


def test_every_link_and_button_says_something(served: Served, paths: dict[str, tuple[str, str | None]]):
    for name, answer in every_page(served, paths, "en").items():
        for element in answer.page.elements:
            if element.tag in ("a", "button", "summary"):
                assert element.text, (name, element.attributes)


def test_the_first_thing_on_every_page_leads_to_its_content(
    served: Served, paths: dict[str, tuple[str, str | None]]
):
    for name, answer in every_page(served, paths, "fr").items():
        first = answer.page.all("a")[0]
        assert first.attributes["href"] == "#content", name
        assert answer.page.one("main").attributes["id"] == "content", name


def test_no_page_has_a_script_a_style_a_frame_or_anything_from_elsewhere(
    served: Served, paths: dict[str, tuple[str, str | None]]
):
    for name, answer in every_page(served, paths, "fr").items():
        for element in answer.page.elements:
            assert element.tag not in ("script", "style", "iframe", "object", "embed", "base", "svg"), name
            for attribute, value in element.attributes.items():
                assert not attribute.startswith("on"), (name, attribute)
                assert attribute != "style", name
                if attribute == "src" or (element.tag == "link" and attribute == "href"):
                    assert value.startswith(("/static/", "/vocab/diagrams/", "/source?", served.base)), (
                        name,
                        value,
                    )
                if attribute in ("href", "action"):
                    assert not value.lower().lstrip().startswith(("javascript:", "data:")), (name, value)


def test_every_page_forbids_the_browser_whatever_it_does_not_need(
    served: Served, paths: dict[str, tuple[str, str | None]]
):
    for name, answer in every_page(served, paths, "fr").items():
        policy = answer.headers["Content-Security-Policy"]
        for part in ("default-src 'none'", "style-src 'self'", "img-src 'self'", "form-action 'self'",
                     "base-uri 'none'", "frame-ancestors 'none'"):  # fmt: skip
            assert part in policy.split("; "), (name, part)
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert answer.headers["Referrer-Policy"] == "same-origin"
        assert "Cookie" in answer.headers["Vary"]


def test_what_is_shown_to_somebody_is_kept_by_nobody(served: Served):
    assert served.get("/", token=served.scene.coops_token).headers["Cache-Control"] == "no-store"
    assert served.get("/").headers["Cache-Control"] == "private, no-cache"
    assert served.get("/missions/none").headers["Cache-Control"] == "no-store"


# -- the co-operative --------------------------------------------------------------------------------------------


def test_the_co_operative_says_who_it_is_and_how_to_federate(served: Served):
    words = served.get("/").words
    for said in ("Les Pédales de Loire", "coopérative de travail", "Nantes", "319 379 137",
                 "chiffre d'affaires hors taxes", "2 coopératives sont fédérées", f"{served.base}/actors/coop",
                 f"@pedales@127.0.0.1:{served.port}", "Livraisons à vélo, samedi 12 décembre"):  # fmt: skip
        assert said in words, said
    assert "8 % (assiette" in words


def test_strangers_get_the_number_of_members_and_members_their_names(served: Served):
    assert "Théo R." not in served.get("/").text
    assert "Théo R." in served.get("/", token=served.scene.coops_token).words


def test_the_profile_address_of_the_co_operative_is_its_own_page(served: Served):
    assert served.get("/actors/coop").page.one("h1").text == "Les Pédales de Loire"


# -- the board ---------------------------------------------------------------------------------------------------


def titles(page: Markup) -> list[str]:
    return [e.text for e in page.elements if e.tag == "h3" and any(i.tag == "article" for i in e.inside)]


def test_the_board_shows_price_place_origin_dates_statuses_and_deadline(served: Served):
    words = served.get("/missions").words
    for said in ("12 résultats", "Livraisons à vélo, samedi 12 décembre", "169,40 € HT", "Nantes",
                 "12 déc. 2026", "CAE bienvenues", "2 places", "Candidater avant le",
                 "Coop’Ouvrage Lyon (coop-lyon.example)", "260,00 € HT par jour", "Malo G."):  # fmt: skip
        assert said in words, said
    english = served.get("/missions", language="en").words
    for said in ("12 results", "Bike deliveries, Saturday 12 December", "€169.40 excl. tax", "CAE welcome"):
        assert said in english, said


def test_the_board_shows_members_what_is_reserved_for_them(served: Served):
    assert "Réparation des remorques" not in served.get("/missions").words
    answer = served.get("/missions", token=served.scene.coops_token)
    assert "Réparation des remorques" in answer.words
    assert "Connecté·e" in answer.words


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("rome=N4104&class=mission", {"Livraisons à vélo, samedi 12 décembre", '<b>Gras</b> & "guillemets" inversé'}),
        ("rome=coursier&class=offer", {"Atelier de réparation de vélos"}),
        ("rome=N41&commune=44055", {"Tournée du littoral"}),
        ("rome=G", {"Guide-accompagnateur / Guide-accompagnatrice", "Réceptionniste"}),
        ("commune=lyon&radius=20&class=mission", {
            "Module de réservation", "Comptable",
            "Installateur mainteneur / Installatrice mainteneuse en systèmes solaires, thermiques et photovoltaïques",
        }),
        ("commune=LA+BAULE", {"Tournée du littoral"}),
        ("class=need", {"Mutualiser un module de billetterie"}),
        ("q=reservation", {"Module de réservation"}),
    ],
)  # fmt: skip
def test_a_search_finds_exactly_what_it_asks_for(served: Served, query: str, found: set[str]):
    page = served.get(f"/missions?{query}").page
    assert set(titles(page)) == found
    assert page.one("h2", id="results").text == f"{len(found)} résultat{'s' if len(found) > 1 else ''}"


def test_closed_ones_are_shown_when_asked_for(served: Served):
    assert "Mission retirée" not in served.get("/missions").words
    answer = served.get("/missions?open=false")
    assert "Mission retirée" in answer.words
    assert "checked" in answer.page.one("input", id="open").attributes


def test_the_form_keeps_what_was_typed_and_says_what_it_took_it_for(served: Served):
    page = served.get("/missions?q=v%C3%A9lo&rome=N4104&commune=Nantes&radius=50&class=mission").page
    assert page.one("input", id="q").attributes["value"] == "vélo"
    assert page.one("input", id="rome").attributes["value"] == "Coursier / Coursière (N4104)"
    assert page.one("input", id="commune").attributes["value"] == "Nantes (44109)"
    assert [o.attributes["value"] for o in page.all("option") if "selected" in o.attributes] == [
        "50",
        "mission",
    ]
    wider = [a.attributes["href"] for a in page.all("a") if "rome=N41&" in a.attributes.get("href", "")]
    assert wider, "no way to search wider"


def test_an_ambiguous_commune_is_answered_with_the_choices(served: Served):
    page = served.get("/missions?commune=Saint-Denis&q=x").page
    choices = {a.text: a.attributes["href"] for a in page.all("a") if a.text.startswith("Saint-Denis (")}
    assert set(choices) == {"Saint-Denis (93066)", "Saint-Denis (97411)"}
    assert choices["Saint-Denis (97411)"] == "/missions?q=x&commune=97411#results"
    assert page.one("title").text.startswith("À préciser")
    assert page.one("input", id="commune").attributes["aria-invalid"] == "true"
    assert page.one("div", role="alert")


@pytest.mark.parametrize(
    ("query", "field", "said"),
    [
        ("commune=Trifouilly", "commune", "Aucune commune ne porte ce nom"),
        ("commune=99999", "commune", "Aucune commune n’a le code INSEE 99999"),
        ("rome=zzz", "rome", "Aucun métier du répertoire ROME"),
        ("radius=20", "commune", "Indiquez la commune"),
        ("commune=Nantes&radius=trois", "radius", "nombre de kilomètres"),
        ("commune=97502&radius=10", "radius", "Nous ne savons pas où se trouve cette commune"),
        ("q=" + "x" * 201, "q", "au plus 200 caractères"),
    ],
)
def test_what_cannot_be_searched_is_said_beside_its_field(served: Served, query: str, field: str, said: str):
    answer = served.get(f"/missions?{query}")
    assert answer.status == 200
    page = answer.page
    assert said in page.one("p", id=f"{field}-error").text
    (control,) = [e for e in page.elements if e.attributes.get("id") == field]
    assert f"{field}-error" in control.attributes["aria-describedby"]


def test_nothing_found_says_so_and_leads_on(served: Served):
    words = served.get("/missions?q=introuvable").words
    assert "Aucun résultat" in words
    assert "Voir tout le tableau" in words


def test_the_board_is_read_page_by_page(served: Served):
    page = served.get("/missions?open=false").page
    assert not [a for a in page.all("a") if a.attributes.get("rel") == "next"]
    seen: list[str] = []
    path: str | None = "/missions"
    pages = 0
    # Sixty listings more than the scene has, put where the store puts them.
    served.run(_many(served, 60))
    try:
        while path:
            pages += 1
            page = served.get(path).page
            seen += titles(page)
            following = [a.attributes["href"] for a in page.all("a", rel="next")]
            path = following[0].partition("#")[0] if following else None
    finally:
        served.run(_bury(served, 60))
    assert pages == 4
    assert len(seen) == len(set(seen)) == 72


async def _many(served: Served, count: int) -> None:
    store = served.scene.nantes.world.store

    async def work(tx: Any) -> None:
        for n in range(count):
            iri = f"{served.base}/missions/many-{n}"
            document = {"id": iri, "name": f"Numéro {n}"}
            await tx.make(
                [
                    PutListing(
                        iri, "Mission", served.scene.nantes.id, True, "published", "public", "", "",
                        None, None, None, None, NOON, None, None, (PUBLIC,),
                    ),
                    PutObject(iri, served.scene.nantes.id, "Mission", document, True, (PUBLIC,), NOON),
                ]
            )  # fmt: skip

    await store.write(work)


async def _bury(served: Served, count: int) -> None:
    async def work(tx: Any) -> None:
        for n in range(count):
            iri = f"{served.base}/missions/many-{n}"
            await tx.make([DropListing(iri), BuryObject(iri, "Note", NOON)])

    await served.scene.nantes.world.store.write(work)


# -- a mission ---------------------------------------------------------------------------------------------------


def test_a_mission_says_everything_in_plain_words(served: Served):
    words = served.get(served.path(served.scene.courier)).words
    for said in (
        "Livraisons à vélo, samedi 12 décembre", "samedi 12 décembre 2026, 10:00–18:00", "8 heures",
        "Nantes INSEE 44109", "itinérant", "Coursier / Coursière", "5 déc. 2026, 19:00", "français",
        "publique : tout le monde", "Vélo et remorque fournis", "17,00 €", "136,00 €",
        "Weekend (majoration)", "169,40 €", "Jamais moins de 14,50 € de l’heure",
        "contrat d'appui au projet d'entreprise (CAPE)", "contrat d'entrepreneur salarié (CESA)",
        "entrepreneur salarié associé (ESA)", "accidents du travail", "Conduite de vélo-cargo", "niveau 3 sur 8",
        "Règle de tarification", "Règle d’attribution", "mediation@velo-nantes.example", "Comment répondre",
    ):  # fmt: skip
        assert said in words, said
    english = served.get(served.path(served.scene.courier), language="en").words
    for said in ("Bike deliveries, Saturday 12 December", "Cargo-bike deliveries", "€169.40", "10%", "8 hours",
                 "business-project support contract (CAPE)", "Saturday 12 December 2026, 10:00–18:00"):  # fmt: skip
        assert said in english, said


def test_words_of_another_language_say_which(served: Served):
    page = served.get(served.path(served.scene.hostile), language="en").page
    (occupation,) = [e for e in page.all("bdi") if e.text == "Coursier / Coursière"]
    assert occupation.attributes["lang"] == "fr"
    french = served.get(served.path(served.scene.courier)).page
    assert [e for e in french.all("bdi") if e.attributes.get("lang") == "fr"] == []


def test_a_mission_shows_its_signed_history_and_how_to_check_it(served: Served):
    answer = served.get(served.path(served.scene.story), token=served.scene.coops_token)
    words = answer.words
    for said in ("réglée", "Les 8 étapes sont signées", "publie la mission", "déclare la mission attribuée",
                 "déclare la mission réglée", "vérifiée avec la clé z6Mk",
                 f"fedcoop verify {served.scene.story}"):  # fmt: skip
        assert said in words, said
    steps = [e for e in answer.page.all("li") if e.attributes.get("id", "").startswith("step-")]
    assert [e.attributes["id"] for e in steps] == [f"step-{n}" for n in range(1, 9)]
    assert all(any(i.tag == "ol" for i in e.inside) for e in steps)
    assert answer.page.one("a", href=f"{served.scene.story}/history")
    head = served.run(served.scene.nantes.chain(served.scene.story))
    assert head is not None
    assert head.digest in answer.text


def test_links_to_the_documents_lead_to_the_documents(served: Served):
    page = served.get(served.path(served.scene.courier)).page
    hrefs = [a.attributes["href"] for a in page.all("a") if "JSON" in a.text]
    assert len(hrefs) == 4  # the activity, the history, the document, and the server in the footer
    for href in hrefs:
        answer = served.get(href.removeprefix(served.base))
        assert answer.status == 200, href
        assert "json" in answer.headers["Content-Type"], href


def test_a_mission_that_is_taken_is_shown_to_its_parties_only(served: Served):
    path = served.path(served.scene.story)
    assert served.get(path).status == 404
    assert served.get(path, token=served.scene.coops_token).status == 200


def test_an_offer_says_its_price_by_the_unit_and_whose_it_is(served: Served):
    words = served.get(served.path(served.scene.offer)).words
    for said in ("Offre de service", "260,00 € hors taxes par jour", "Malo G.", "Les Pédales de Loire",
                 "10 jours", "publie la proposition"):  # fmt: skip
        assert said in words, said


def test_what_another_server_sent_has_a_page_here_and_says_so(served: Served):
    answer = served.get(f"/copy?id={served.scene.remote}")
    assert "Ceci est la copie que coop-lyon.example nous a envoyée" in answer.words
    assert answer.page.one("a", href=served.scene.remote).attributes["rel"] == "noopener noreferrer nofollow"
    history = served.get(f"/history?id={served.scene.remote}")
    assert history.status == 200
    assert "activities" in history.text
    assert served.get("/copy?id=https://nobody.example/1").status == 404


def test_a_copy_of_our_own_is_the_original(served: Served):
    answer = served.get(f"/copy?id={served.scene.courier}")
    assert answer.status == 302
    assert answer.headers["Location"] == served.scene.courier


# -- hostile content ---------------------------------------------------------------------------------------------


def test_what_a_stranger_wrote_is_text_and_nothing_else(served: Served):
    for path in (served.path(served.scene.hostile), "/missions", "/"):
        page = served.get(path).page
        assert "<b>Gras</b>" in page.one("body").text
        assert "\u202e" not in page.one("body").text
        assert not [e for e in page.all("b") if e.text == "Gras"]
    page = served.get(served.path(served.scene.hostile)).page
    description = [e for e in page.elements if any(i.attributes.get("class") == "prose" for i in e.inside)]
    assert {e.tag for e in description} == {"p", "a"}
    hrefs = [e.attributes.get("href") for e in description if e.tag == "a"]
    assert hrefs == [None, None, "https://ailleurs.example/"]
    assert {e.attributes["rel"] for e in description if e.tag == "a"} == {"nofollow noopener noreferrer"}
    assert "alert(1)" not in page.one("body").text
    assert "tracker.example" not in served.get(served.path(served.scene.hostile)).text


ODD: list[Any] = [
    None,
    True,
    -1,
    1e300,
    "",
    "\u0000",
    "x" * 5000,
    [],
    {},
    [[]],
    [None, {"id": 1}],
    {"type": ["Place"]},
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_a_document_of_odd_values_still_has_a_page(served: Served, odd: Any):
    iri = f"{served.base}/missions/odd"
    keys = (
        "name nameMap content contentMap publishes reciprocal price location occupation skills acceptedStatuses slots "
        "applyBefore startTime endTime published updated workMode relayScope spokenLanguages availability "
        "eligibleTerritory hourlyFloor socialCoverage pricingRule matchingRule mediationContact unitBased mediaType"
    )
    document = {"id": iri, **dict.fromkeys(keys.split(), odd)}
    put = PutObject(iri, served.scene.nantes.id, "Mission", document, True, (PUBLIC,), NOON)
    served.run(served.scene.nantes.world.store.write(lambda tx: tx.make([put])))
    answer = served.get("/missions/odd")
    assert answer.status == 200
    assert answer.page.one("h1").text


# -- people and engagements --------------------------------------------------------------------------------------


def test_a_profile_shows_what_is_public_and_nothing_private(served: Served):
    scene = served.scene
    actor = served.run(scene.nantes.world.store.read(lambda reader: reader.actor(scene.malo)))
    private = {
        "wagePreference": {"value": "1515.15", "currency": "EUR"},
        "preferredChannel": "sms",
        "assistedBy": "https://x.example/mandates/secret",
        "availability": ["2031-01-01T00:00:00Z/2031-01-02T00:00:00Z"],
    }
    page = served.get(served.path(scene.malo))
    for said in ("Malo G.", "Les Pédales de Loire", "Coursier / Coursière", "Mécanique cycle", "français, breton",
                 "Atelier de réparation de vélos"):  # fmt: skip
        assert said in page.words, said

    def put(document: Any) -> None:
        change = PutActor(document, local=True, fetched_at=NOON)
        served.run(scene.nantes.world.store.write(lambda tx: tx.make([change])))

    put({**actor.document, **private})
    try:
        text = served.get(served.path(scene.malo)).text
        assert not [word for word in ("1515", "1 515", "sms", "secret", "2031") if word in text]
    finally:
        put(actor.document)


def test_an_engagement_is_told_to_its_parties_only(served: Served):
    scene = served.scene
    path = served.path(scene.engagement)
    words = served.get(path, token=scene.coops_token).words
    for said in ("Module de réservation du site", "réglé", "Awa D.", "Coop’Ouvrage Lyon", "contrat d'appui",
                 "1 140,00 €", "candidate", "accepte : l’engagement est conclu", "livre le travail",
                 "demande une reprise du travail", "Motif : qualité contestée", "Travail fait : 21 heures",
                 "émet la facture", "Facture F2026-118", "Total : 1 368,00 €", "confirme le paiement",
                 "Les 10 étapes sont signées"):  # fmt: skip
        assert said in words, said
    assert served.get(path).status == 404
    assert served.get(f"/copy?id={scene.engagement}").status == 404
    chain = served.run(scene.nantes.chain(scene.engagement))
    assert chain is not None
    assert served.get(f"/copy?id={chain.id}").status == 404
    assert served.get(f"/copy?id={chain.id}", token=scene.coops_token).status == 200


def test_the_engagements_of_a_mission_are_listed_for_their_parties_only(served: Served):
    path = served.path(served.scene.story)
    assert "Vos engagements ici" in served.get(path, token=served.scene.coops_token).words
    assert "Vos engagements" in served.get("/", token=served.scene.coops_token).words
    assert "engagements ici" not in served.get(served.path(served.scene.courier)).words


# -- problems, terms ---------------------------------------------------------------------------------------------


def test_a_refusal_says_what_happened_and_what_to_do(served: Served):
    answer = served.get("/missions/none")
    assert answer.status == 404
    assert answer.page.one("h1").text == "Introuvable"
    assert "Que faire" in answer.words
    assert "Se connecter" in answer.words
    detail = [e for e in answer.page.all("div") if e.attributes.get("lang") == "en"]
    assert len(detail) == 1, "details of refusals are in English, and say so"
    assert served.get("/missions/none", language="en").page.one("h1").text == "Not found"


def test_every_problem_has_a_page_in_both_languages(served: Served):
    for code, known in PROBLEMS.items():
        for language, title, advice in (
            ("fr", known.title_fr, known.help_fr),
            ("en", known.title_en, known.help_en),
        ):
            answer = served.get(f"/problems/{code}", language=language)
            assert answer.status == 200, code
            assert answer.page.one("h1").text == title
            assert " ".join(advice.split()) in answer.page.one("body").text
            for who in known.who:
                assert WHO_ACTS[who].in_language(language) in answer.words
            for told in (known.example_at, known.example_expected, known.example_received):
                assert " ".join(told.split()) in [code.text for code in answer.page.all("code")], (code, told)


def test_a_term_is_explained_in_both_languages(served: Served):
    assert "Propriétés" in served.get("/vocab/Mission").words
    assert "Properties" in served.get("/vocab/Mission", language="en").words
    assert served.get("/vocab/Nothing").status == 404
    assert "TentativeAccept" in served.get("/vocab/TentativeAccept").page.one("h1").text


def test_no_link_between_terms_leads_nowhere(served: Served):
    paths = {
        a.attributes["href"] for a in served.get("/vocab/").page.all("a") if "/vocab/" in a.attributes["href"]
    }
    assert len(paths) > 200
    wrong = [
        path
        for path in sorted(paths)
        if served.get(path).headers["Content-Type"] != "text/html; charset=utf-8"
    ]
    assert wrong == []
    assert served.get("/vocab/").page.one("h1").text.startswith("Vocabulaire")


def test_a_wide_table_scrolls_by_itself_and_by_keyboard(served: Served):
    page = served.get("/vocab/Mission").page
    tables = page.all("table")
    assert tables
    regions = [table.inside[-1].attributes for table in tables]
    assert regions[0] == {
        "class": "scroll",
        "role": "region",
        "tabindex": "0",
        "aria-label": "Propriétés (1)",
    }
    assert len({region["aria-label"] for region in regions}) == len(regions)


def test_the_drawings_of_the_vocabulary_are_served(served: Served):
    page = served.get("/vocab/Mission").page
    (source,) = [e.attributes["src"] for e in page.all("img") if e.attributes["src"].startswith("/vocab/")]
    answer = served.get(source)
    assert answer.headers["Content-Type"].startswith("image/svg+xml")
    assert served.get("/vocab/diagrams/..%2Fcodes.json").status == 404
    assert served.get("/vocab/diagrams/codes.json").status == 404


def test_the_markup_reader_of_these_tests_sees_what_is_unbalanced():
    with pytest.raises(AssertionError):
        Markup("<div><p>x</div>")
    assert replace(Answer(200, {}, ""), status=404).status == 404
