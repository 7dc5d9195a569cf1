"""EPSS scores in every layout that is handed round, with bad lines, and files that are something else."""

import gzip
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError
from ruleforge.triage.epss import EpssScore, read_epss

Put = Callable[[str, bytes | str], Path]
LINES = "CVE-2099-0001,0.5,0.75\nCVE-2099-0002,1e-05,0\n"
WANTED = {"CVE-2099-0001": EpssScore(0.5, 0.75), "CVE-2099-0002": EpssScore(0.00001, 0.0)}
COMMENT = "#model_version:v2099.01.01,score_date:2099-03-04T00:00:00+0000\n"
LAYOUTS = {
    "comment and header": (COMMENT + "cve,epss,percentile\n" + LINES, "2099-03-04"),
    "header": ("cve,epss,percentile\n" + LINES, ""),
    "bare": (LINES, ""),
    "semicolons": (LINES.replace(",", ";"), ""),
    "semicolons and header": ("CVE;EPSS;percentile\n" + LINES.replace(",", ";"), ""),
    "quoted": ('"cve","epss","percentile"\n"CVE-2099-0001","0.5","0.75"\n"CVE-2099-0002","1e-05","0"\n', ""),
    "Windows": ("\ufeff" + (COMMENT + LINES).replace("\n", "\r\n"), "2099-03-04"),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_every_layout_is_read(put: Put, layout: str, pack: Callable[[bytes], bytes]) -> None:
    text, date = LAYOUTS[layout]
    found = read_epss(put("scores", pack(text.encode())))
    assert (found.scores, found.date, found.problems) == (WANTED, date, 0)


def test_a_date_in_the_name_stands_in_for_the_comment(put: Put) -> None:
    assert read_epss(put("epss_scores-2099-05-06.csv", LINES)).date == "2099-05-06"
    assert read_epss(put("epss_scores-2099-99-99.csv", LINES)).date == ""
    assert read_epss(put("epss_scores-2099-05-07.csv", COMMENT + LINES)).date == "2099-03-04"


def test_a_line_without_a_percentile_is_kept(put: Put) -> None:
    assert read_epss(put("x", "CVE-2099-0001,0.25\n")).scores == {"CVE-2099-0001": EpssScore(0.25, None)}


def test_bad_lines_are_counted_and_the_rest_is_kept(put: Put) -> None:
    bad = ["CVE-2099-0003,1.5,0", "CVE-2099-0003,-1,0", "CVE-2099-0003,nan,0", "CVE-2099-0003,inf,0", "CVE-2099-0003",
           "x,0.5,0.5", "CVE-2099-0003,,", "y" * 5_000, "CVE-2099-0003,0x1,0"]  # fmt: skip
    found = read_epss(put("x", LINES + "\n".join(bad) + "\n\n"))
    assert (found.scores, found.problems) == (WANTED, len(bad))


@pytest.mark.parametrize(
    "data", [b"", b"cve,epss,percentile\n", b"<html>", b"{}", b"\x00\xff" * 99, b"cveID\nCVE-2099-0001\n"]
)
def test_another_file_is_refused(put: Put, data: bytes) -> None:
    with pytest.raises(InputError) as found:
        read_epss(put("x", data))
    assert found.value.code == "RF271"


@given(st.binary(max_size=300) | st.text(alphabet="CVE-2099-0001,.;\n#e", max_size=200).map(str.encode))
def test_any_bytes_give_shares_or_a_reason(tmp_path_factory: pytest.TempPathFactory, data: bytes) -> None:
    file = tmp_path_factory.mktemp("epss") / "x"
    file.write_bytes(data)
    try:
        scores = read_epss(file).scores.values()
        assert all(0 <= score.probability <= 1 and 0 <= (score.percentile or 0) <= 1 for score in scores)
    except InputError as error:
        assert error.code in ("RF271", "RF225")  # noqa: PT017 - either way is right
