"""Settings are read once, checked whole, and what is wrong is named with its line and the next step."""

from __future__ import annotations

import dataclasses
import inspect
import re
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fedcoop import config
from fedcoop.config import DEVELOPMENT, SETTINGS, Config, load, write_settings
from fedcoop.errors import Misconfigured
from fedcoop.protocol import limits
from fedcoop.protocol.relaying import Wish

BASE: Final = "https://coop.example"
SMALLEST: Final = f'base_url = "{BASE}"\nname = "Coop\'Ouvrage"\n'


def instance(folder: Path, text: str = SMALLEST) -> Path:
    """Write `text` as the settings of an instance in `folder`."""
    (folder / "fedcoop.toml").write_text(text, encoding="utf-8")
    return folder


def read(folder: Path, text: str, **environment: str) -> Config:
    return load(instance(folder, text), environment=environment)


def wrong(folder: Path, text: str, **environment: str) -> tuple[str, str]:
    """Return (what is wrong, the next step)."""
    with pytest.raises(Misconfigured) as caught:
        read(folder, text, **environment)
    assert str(folder / "fedcoop.toml") in caught.value.detail
    assert caught.value.extra["next"]
    return caught.value.detail, str(caught.value.extra["next"])


# -- reading ------------------------------------------------------------------------------------------------


def test_two_settings_are_enough(tmp_path: Path):
    assert read(tmp_path, SMALLEST) == Config(
        folder=tmp_path,
        base_url=BASE,
        name="Coop'Ouvrage",
        summary_fr="",
        summary_en="",
        kinds=(),
        siren=None,
        commune=None,
        language="fr",
        database_url=f"sqlite+aiosqlite:///{tmp_path}/fedcoop.db",
        host="127.0.0.1",
        port=8080,
        log_level="info",
        key_file=tmp_path / "fedcoop.key",
        key_passphrase=None,
        key_overlap=timedelta(days=7),
        signature_window=limits.SIGNATURE_WINDOW,
        allow_origins=frozenset(),
        extra_ca_file=None,
        inbox_per_peer=(300, timedelta(minutes=5)),
        inbox_per_address=(120, timedelta(minutes=1)),
        signed_reads=False,
        agreements_from="anybody",
        first_retry=timedelta(seconds=6),
        clock_offset=timedelta(0),
        relay="",
        relay_carries=Wish(classes=("Mission", "ServiceOffer", "Need")),
    )


def test_every_setting_is_read(tmp_path: Path):
    found = read(
        tmp_path,
        """
        base_url = "http://127.0.0.1:8101"
        name = "Vélo Nantes"
        summary_fr = "Livraison à vélo"
        summary_en = "Bicycle delivery"
        kinds = ["scop", "workerCoop"]
        siren = "123456782"
        commune = "2A004"
        language = "en"
        database = "postgresql+asyncpg://fedcoop@db.example/fedcoop"
        host = "0.0.0.0"
        port = 9000
        log_level = "debug"
        key_file = "secrets/keys"
        key_overlap_days = 14
        signature_age_minutes = 720
        allow_origins = ["http://127.0.0.1:8101", "http://127.0.0.1:8102"]
        extra_ca_file = "ca.pem"
        peer_messages_per_5_minutes = 1000
        unverified_per_minute = 10
        readers = "peers"
        agreements_from = "peers"
        first_retry_seconds = 0.5
        clock_offset_seconds = -3600
        relay = "open"
        relay_classes = []
        relay_rome = ["N", "N41"]
        relay_regions = ["52", "974"]
        """,
    )
    assert found == Config(
        folder=tmp_path,
        base_url="http://127.0.0.1:8101",
        name="Vélo Nantes",
        summary_fr="Livraison à vélo",
        summary_en="Bicycle delivery",
        kinds=("scop", "workerCoop"),
        siren="123456782",
        commune="2A004",
        language="en",
        database_url="postgresql+asyncpg://fedcoop@db.example/fedcoop",
        host="0.0.0.0",
        port=9000,
        log_level="debug",
        key_file=tmp_path / "secrets" / "keys",
        key_passphrase=None,
        key_overlap=timedelta(days=14),
        signature_window=(timedelta(hours=12), timedelta(minutes=5)),
        allow_origins=frozenset({"http://127.0.0.1:8101", "http://127.0.0.1:8102"}),
        extra_ca_file=str(tmp_path / "ca.pem"),
        inbox_per_peer=(1000, timedelta(minutes=5)),
        inbox_per_address=(10, timedelta(minutes=1)),
        signed_reads=True,
        agreements_from="peers",
        first_retry=timedelta(seconds=0.5),
        clock_offset=timedelta(hours=-1),
        relay="open",
        relay_carries=Wish(rome=("N", "N41"), regions=("52", "974")),
    )
    assert found.keys_folder == tmp_path / "keys"


def test_the_secret_of_the_keys_comes_from_the_environment_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    text = SMALLEST + 'key_file = "/etc/fedcoop.key"\n'
    assert read(tmp_path, text).key_file == Path("/etc/fedcoop.key")
    monkeypatch.chdir(tmp_path)
    found = read(tmp_path, text, FEDCOOP_KEY_FILE="given.key", FEDCOOP_KEY_PASSPHRASE="correct horse battery")
    assert found.key_file == tmp_path / "given.key"
    assert found.key_passphrase == "correct horse battery"
    assert "battery" not in repr(found)


def test_a_relative_folder_becomes_absolute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    instance(tmp_path)
    monkeypatch.chdir(tmp_path)
    assert load(Path(), environment={}).folder == tmp_path


def test_the_port_is_that_of_the_base_url_unless_told(tmp_path: Path):
    text = 'base_url = "http://127.0.0.1:8103"\nname = "A"\nallow_origins = ["http://127.0.0.1:8103"]\n'
    assert read(tmp_path, text).port == 8103
    assert read(tmp_path, text + "port = 8000\n").port == 8000


def test_an_absolute_ca_file_stays_where_it_is(tmp_path: Path):
    assert read(tmp_path, SMALLEST + 'extra_ca_file = "/etc/ca.pem"\n').extra_ca_file == "/etc/ca.pem"


# -- what is wrong, and where -------------------------------------------------------------------------------


def test_a_folder_without_an_instance_says_how_to_found_one(tmp_path: Path):
    with pytest.raises(Misconfigured) as caught:
        load(tmp_path / "nothing", environment={})
    assert "holds no instance" in caught.value.detail
    assert "fedcoop init" in caught.value.extra["next"]


@pytest.mark.parametrize(
    ("line", "advice"),
    [
        ('relay = "yes"', "write one of"),
        ('relay_rome = ["N4"]', "ROME codes"),
        ('relay_regions = ["Bretagne"]', "INSEE codes of regions"),
        ('relay_classes = ["mission"]', "classes of the vocabulary"),
    ],
)
def test_what_a_relay_carries_is_checked(tmp_path: Path, line: str, advice: str):
    _, next_step = wrong(tmp_path, SMALLEST + line + "\n")
    assert advice in next_step


def test_what_is_not_toml_is_named_with_its_line(tmp_path: Path):
    detail, _ = wrong(tmp_path, SMALLEST + "kinds = [cae]\n")
    assert "line 3" in detail


def test_what_is_not_utf8_is_refused(tmp_path: Path):
    (tmp_path / "fedcoop.toml").write_bytes(b'name = "V\xe9lo"\n')
    with pytest.raises(Misconfigured, match="cannot be read"):
        load(tmp_path, environment={})


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ('nmae = "x"', "nmae"),
        ("allow_origin = []", "allow_origin"),
        ("[network]\nport = 1", "network"),
        ("[[peers]]", "peers"),
        ("database.url = 1", "database"),
        ('"base url" = 1', "base url"),
    ],
)
def test_an_unknown_setting_is_refused_with_its_line(tmp_path: Path, line: str, name: str):
    detail, _ = wrong(tmp_path, SMALLEST + "\n" + line + "\n")
    assert f"fedcoop.toml:4: {name} " in detail


@pytest.mark.parametrize("missing", ["base_url", "name"])
def test_a_missing_setting_is_named(tmp_path: Path, missing: str):
    text = "".join(line for line in SMALLEST.splitlines(keepends=True) if not line.startswith(missing))
    detail, next_step = wrong(tmp_path, text)
    assert detail.endswith(f"{missing} is missing")
    assert next_step


@pytest.mark.parametrize(
    ("line", "kind"),
    [
        ("siren = 123456782", "a text in quotes"),
        ("summary_fr = ['a']", "a text in quotes"),
        ('kinds = "cae"', "a list of texts"),
        ("kinds = [1]", "a list of texts"),
        ('port = "8080"', "a whole number"),
        ("port = 80.5", "a whole number"),
        ("port = true", "a whole number"),
        ('first_retry_seconds = "6"', "a number"),
        ("first_retry_seconds = true", "a number"),
        ("clock_offset_seconds = nan", "a number"),
        ("clock_offset_seconds = inf", "a number"),
        ("commune = 69123", "a text in quotes"),
        ("allow_origins = {}", "a list of texts"),
    ],
)
def test_a_value_of_the_wrong_kind_is_refused_with_its_line(tmp_path: Path, line: str, kind: str):
    detail, next_step = wrong(tmp_path, SMALLEST + line + "\n")
    assert f"fedcoop.toml:3: {line.split()[0]} is not {kind}" in detail
    assert kind in next_step


@pytest.mark.parametrize(
    ("line", "told"),
    [
        ('kinds = ["cae", "startup"]', "'startup' is not one of cae, scop"),
        ('siren = "123456789"', "nine digits"),
        ('siren = "12345678"', "nine digits"),
        ('siren = "12345678a"', "nine digits"),
        ('siren = "١٢٣٤٥٦٧٨٢"', "nine digits"),
        ('commune = "69003 "', "INSEE"),
        ('commune = "Lyon"', "INSEE"),
        ('commune = "2C004"', "INSEE"),
        ('language = "de"', "fr, en"),
        ('log_level = "INFO"', "debug, info"),
        ("port = 65536", "0 to 65535"),
        ("port = -1", "0 to 65535"),
        ("signature_age_minutes = 721", "5 to 720"),
        ("signature_age_minutes = 0", "5 to 720"),
        ("first_retry_seconds = 0", "0.05 to 3600"),
        ("peer_messages_per_5_minutes = 0", "1 to 1e+06"),
        ("unverified_per_minute = 0", "1 to 1e+06"),
        ('host = ""', "1 to 500"),
        ('allow_origins = ["127.0.0.1:8101"]', "is not an origin"),
        ('allow_origins = ["http://127.0.0.1:8101/"]', "is not an origin"),
        ('allow_origins = ["HTTP://127.0.0.1:8101"]', "is not an origin"),
        ('allow_origins = ["http://127.0.0.1:80"]', "is not an origin"),
        ('allow_origins = ["*"]', "is not an origin"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_line(tmp_path: Path, line: str, told: str):
    detail, next_step = wrong(tmp_path, SMALLEST + "\n\n" + line + "\n")
    assert f"fedcoop.toml:5: {line.split()[0]} is " in detail
    assert told in next_step


@pytest.mark.parametrize("name", ["", "  ", "a\\nb", "x" * 501])
def test_a_name_that_is_none_is_refused(tmp_path: Path, name: str):
    wrong(tmp_path, f'base_url = "{BASE}"\nname = "{name}"\n')


@pytest.mark.parametrize(
    "base_url",
    [
        "https://coop.example/",
        "https://coop.example/fedcoop",
        "https://coop.example?x",
        "https://Coop.example",
        "https://coop.example:443",
        "https://coop.example:8443",
        "http://coop.example",
        "http://127.0.0.1:8101",
        "https://127.0.0.1",
        "https://localhost",
        "https://a@coop.example",
        "ftp://coop.example",
        "coop.example",
        "",
    ],
)
def test_a_base_url_that_is_no_public_origin_is_refused(tmp_path: Path, base_url: str):
    detail, next_step = wrong(tmp_path, f'name = "A"\nbase_url = "{base_url}"\n')
    assert "fedcoop.toml:2: base_url is " in detail
    assert "https://" in next_step or "write it as http://" in next_step


def test_in_production_development_settings_are_refused(tmp_path: Path):
    lines = {
        "allow_origins": 'allow_origins = ["http://127.0.0.1:8102"]',
        "extra_ca_file": 'extra_ca_file = "ca.pem"',
        "clock_offset_seconds": "clock_offset_seconds = 1",
    }
    assert set(lines) == set(DEVELOPMENT)
    for name, line in lines.items():
        read(tmp_path, SMALLEST + line)
        detail, _ = wrong(tmp_path, SMALLEST + line, FEDCOOP_ENV="production")
        assert f"fedcoop.toml:3: {name} is for development" in detail
    read(tmp_path, SMALLEST, FEDCOOP_ENV="production")


def test_a_folder_whose_name_would_end_the_database_url_is_refused(tmp_path: Path):
    folder = tmp_path / "what?"
    folder.mkdir()
    with pytest.raises(Misconfigured, match="question mark"):
        read(folder, SMALLEST)
    assert read(folder, SMALLEST + 'database = "sqlite+aiosqlite:////srv/x.db"\n').database_url.endswith(
        "/x.db"
    )


# -- writing ------------------------------------------------------------------------------------------------


def test_what_is_written_is_what_is_read(tmp_path: Path):
    folder = tmp_path / "new"
    written = write_settings(
        folder,
        base_url="http://127.0.0.1:8101",
        name='Coop « "Ouvrage" » \\ Lyon',
        language="en",
        kinds=("cae", "scop"),
        commune="69123",
        summary_fr="Deux\nlignes\t\x7f",
        siren=None,
        allow_origins={"http://127.0.0.1:8101"},
        first_retry_seconds=0.2,
    )
    assert written == folder / "fedcoop.toml"
    found = load(folder, environment={})
    assert found.name == 'Coop « "Ouvrage" » \\ Lyon'
    assert (found.language, found.kinds, found.commune) == ("en", ("cae", "scop"), "69123")
    assert found.summary_fr == "Deux\nlignes\t\x7f"
    assert found.siren is None
    assert found.first_retry == timedelta(seconds=0.2)


def test_the_file_explains_every_setting_and_says_its_default(tmp_path: Path):
    text = write_settings(tmp_path, base_url=BASE, name="A").read_text("utf-8")
    assert tomllib.loads(text) == {"base_url": BASE, "name": "A"}
    assert max(map(len, text.splitlines())) <= 100
    for setting in SETTINGS:
        assert re.search(rf"^(# )?{setting.name} = ", text, re.M), setting.name
        assert setting.what.split()[0] in text
    uncommented = "\n".join(re.sub(r"^# (?=\w+ = )", "", line) for line in text.splitlines())
    assert read(tmp_path, uncommented) == read(tmp_path, SMALLEST.replace("Coop'Ouvrage", "A"))


def test_the_file_and_its_folder_are_their_owners_alone(tmp_path: Path):
    file = write_settings(tmp_path / "new", base_url=BASE, name="A")
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700


def test_an_instance_that_is_there_is_left_alone(tmp_path: Path):
    instance(tmp_path)
    with pytest.raises(Misconfigured, match="already holds an instance"):
        write_settings(tmp_path, base_url="https://other.example", name="B")
    assert (tmp_path / "fedcoop.toml").read_text("utf-8") == SMALLEST


@pytest.mark.parametrize(
    "given",
    [
        {"base_url": "http://coop.example", "name": "A"},
        {"base_url": BASE},
        {"base_url": BASE, "name": "A", "colour": "red"},
        {"base_url": BASE, "name": "A", "port": "8080"},
        {"base_url": BASE, "name": "A", "kinds": ("startup",)},
        {"base_url": BASE, "name": "A", "summary_fr": "\udc80"},
    ],
)
def test_a_setting_that_cannot_be_used_is_not_written(tmp_path: Path, given: dict[str, Any]):
    with pytest.raises(Misconfigured):
        write_settings(tmp_path / "new", **given)
    assert not (tmp_path / "new" / "fedcoop.toml").exists()


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=60))
def test_every_text_is_read_as_it_was_written(text: str):
    written = config._text_of({"base_url": BASE, "name": "A", "summary_en": text})
    assert tomllib.loads(written).get("summary_en", "") == text


# -- the list of settings -----------------------------------------------------------------------------------


def test_every_default_passes_its_own_check():
    for setting in SETTINGS:
        if setting.default is not None:
            assert setting.check(setting.default) is None, setting.name


def test_every_field_of_a_config_is_documented():
    source = inspect.getsource(Config)
    for field in dataclasses.fields(Config):
        assert re.search(rf'^    {field.name}: .*\n    """', source, re.M), field.name
