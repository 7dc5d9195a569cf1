"""Fetching data: whole and plausible or not at all, the edition before is kept, and one failure leaves the rest."""

import io
import json
import tarfile
from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from ruleforge.app.data import Updated, current_files, data_status, data_update
from ruleforge.app.data_kinds import KINDS
from ruleforge.errors import InputError, UsageError
from ruleforge.triage.epss import read_epss
from ruleforge.triage.kev import read_kev

NOW = datetime(2099, 9, 1, 12, tzinfo=UTC)
Update = Callable[..., list[Updated]]


def kev(count: int = 10, day: str = "2099-08-20") -> bytes:
    rows = [{"cveID": f"CVE-2099-{n:04}", "dateAdded": "2099-01-01"} for n in range(count)]
    return json.dumps({"dateReleased": day, "vulnerabilities": rows}).encode()


def epss(count: int = 10) -> bytes:
    return b"cve,epss,percentile\n" + b"".join(b"CVE-2099-%04d,0.5,0.5\n" % n for n in range(count))


def templates(*names: str) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name in names:
            data = b"kind: Workflow\n" if "other" in name else b"id: press\ninfo: {name: Press}\n"
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 4_070_908_800
            tar.addfile(info, io.BytesIO(data))
    return packed.getvalue()


@pytest.fixture
def update(tmp_path: Path) -> Update:
    def run(*kinds: str, source: object = "", **more: Any) -> list[Updated]:
        return data_update(kinds, now=NOW, source=str(source), data_dir=tmp_path / "data", **more)

    return run


def put(tmp_path: Path, name: str, data: bytes) -> Path:
    (tmp_path / "in").mkdir(exist_ok=True)
    file = tmp_path / "in" / name
    file.write_bytes(data)
    return file


def test_fetched_data_is_dated_counted_and_found(
    update: Update, loopback: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, data in (("kev", kev()), ("epss", epss())):
        loopback.routes[f"/{name}"] = data
        kind = msgspec.structs.replace(KINDS[name], url=f"{loopback.url}/{name}")
        monkeypatch.setitem(KINDS._parts, name, kind)
    found = update()
    assert [(each.kind, each.state) for each in found] == [("kev", "new"), ("epss", "new")]
    files = current_files(tmp_path / "data")
    assert len(read_kev(files["kev"]).entries) == len(read_epss(files["epss"]).scores) == 10
    first, second, third = data_status(tmp_path / "data", now=date(2099, 9, 1))
    assert first.edition is not None
    assert (first.edition.count, first.edition.date, first.age_days, first.warning) == (10, "2099-08-20", 12, "")
    assert first.edition.source == f"{loopback.url}/kev"
    assert first.edition.fetched == "2099-09-01T12:00:00+00:00"
    assert (second.warning, third.warning) == ("it does not say of when it is", "not fetched yet")
    assert [each.state for each in update()] == ["unchanged", "unchanged"]


FAULTS = {
    "404": (None, "RF520"),
    "wrong content": (b"<html>sign in</html>", "RF270"),
    "half": (kev()[:200], "RF270"),
    "shrunk": (kev(4), "RF275"),
    "older": (kev(10, "2099-08-01"), "RF275"),
    "of the future": (kev(10, "2999-01-01"), "RF275"),
    "mostly unreadable": (
        json.dumps({"vulnerabilities": [1] * 30 + json.loads(kev())["vulnerabilities"]}).encode(),
        "RF275",
    ),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_fault_leaves_what_was_in_use(update: Update, loopback: Any, tmp_path: Path, fault: str) -> None:
    data, code = FAULTS[fault]
    [first] = update("kev", source=put(tmp_path, "kev.json", kev()))
    if data is not None:
        loopback.routes["/kev.json"] = data
    [found] = update("kev", source=f"{loopback.url}/kev.json")
    assert (found.state, found.edition) == ("failed", first.edition)
    assert found.error.startswith(f"[{code}] {loopback.url}/kev.json ")
    assert found.outside is (code == "RF520")
    assert len(read_kev(current_files(tmp_path / "data")["kev"]).entries) == 10
    assert len(list((tmp_path / "data" / "kev").iterdir())) == 1


def test_too_large_an_answer_and_a_redirect_to_http_are_refused(
    update: Update, loopback: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(KINDS._parts, "kev", msgspec.structs.replace(KINDS["kev"], bytes_most=100))
    loopback.routes |= {"/large": kev(), "/away": loopback.redirect("http://localhost/kev")}
    codes = [update("kev", source=f"{loopback.url}{path}")[0].error[:7] for path in ("/large", "/away")]
    assert codes == ["[RF522]", "[RF521]"]


def test_force_takes_smaller_or_older_data(update: Update, tmp_path: Path) -> None:
    update("kev", source=put(tmp_path, "kev.json", kev()))
    [found] = update("kev", source=put(tmp_path, "kev.json", kev(2, "2099-01-01")), force=True)
    assert found.edition is not None
    assert found.before is not None
    assert (found.state, found.edition.count, found.before.count) == ("new", 2, 10)
    assert data_status(tmp_path / "data", now=NOW.date())[0].previous == found.before


def test_one_failure_leaves_the_rest(update: Update, tmp_path: Path) -> None:
    put(tmp_path, "kev.json", b"{}")
    put(tmp_path, "epss-2099-08-30.csv", epss())
    put(tmp_path, "known_exploited_vulnerabilities_schema.json", b"{}")
    found = update(source=tmp_path / "in")
    assert [(each.kind, each.state) for each in found] == [("kev", "failed"), ("epss", "new")]
    assert read_epss(current_files(tmp_path / "data")["epss"]).date == "2099-08-30"  # the date of the name is kept


def test_templates_are_unpacked_and_what_is_none_is_left_out(update: Update, tmp_path: Path) -> None:
    names = (
        "t-main/http/a.yaml",
        "t-main/http/b.yaml",
        "t-main/other.yaml",
        "t-main/.github/c.yml",
        "t-main/README.md",
    )
    [found] = update(source=put(tmp_path, "some-templates.tar.gz", templates(*names)))
    assert found.edition is not None
    assert (found.kind, found.state, found.edition.count, found.problems) == ("templates", "new", 2, 1)
    folder = current_files(tmp_path / "data")["templates"]
    assert sorted(file.name for file in folder.rglob("*.y*ml")) == ["a.yaml", "b.yaml"]


def test_an_archive_that_reaches_out_is_refused(update: Update, tmp_path: Path) -> None:
    [found] = update(source=put(tmp_path, "templates.tar.gz", templates("a.yaml", "../../b.yaml")))
    assert found.error.startswith(f"[RF272] {tmp_path / 'in' / 'templates.tar.gz'} ")
    assert list(tmp_path.rglob("b.yaml")) == []
    assert current_files(tmp_path / "data") == {}


@pytest.mark.parametrize(
    ("kinds", "name", "code"),
    [
        ((), "x.json", "RF132"), (("kev", "epss"), "kev.json", "RF132"), (("kev",), "", "RF132"),
        (("kev",), "none", "RF117"), (("kevv",), "kev.json", "RF102"),
    ],
)  # fmt: skip
def test_what_cannot_be_told_is_asked_back(
    update: Update, tmp_path: Path, kinds: tuple[str, ...], name: str, code: str
) -> None:
    if name.endswith(".json"):
        put(tmp_path, name, kev())
    else:
        put(tmp_path, "epss.csv", epss())
    with pytest.raises(UsageError) as found:
        update(*kinds, source=tmp_path / "in" / name)
    assert found.value.code == code


@pytest.mark.parametrize("source", ["http://localhost/kev.json", "ftp://localhost/kev.json"])
def test_only_https_is_fetched(update: Update, source: str) -> None:
    with pytest.raises(UsageError) as found:
        update(source=source)
    assert found.value.code == "RF131"


def test_a_file_that_was_changed_or_removed_since_is_told(update: Update, tmp_path: Path) -> None:
    update("kev", source=put(tmp_path, "kev.json", kev()))
    file = current_files(tmp_path / "data")["kev"]
    file.write_bytes(kev(3))
    assert "was changed" in data_status(tmp_path / "data", now=NOW.date())[0].warning
    file.unlink()
    assert "is gone" in data_status(tmp_path / "data", now=NOW.date())[0].warning
    assert current_files(tmp_path / "data") == {}


def test_a_damaged_record_is_told_before_anything_is_fetched(update: Update, tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "manifest.json").write_text("{")
    with pytest.raises(InputError) as found:
        update("kev", source=put(tmp_path, "kev.json", kev()))
    assert found.value.code == "RF276"
