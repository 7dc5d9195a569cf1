"""The judge of the program is asked about the rule and the source, and about nothing else."""

from pathlib import Path

import pytest

from ruleforge.app.judging.asking import ask_judge
from ruleforge.app.judging.scores import abstains
from ruleforge.errors import UsageError

from .conftest import pair_of, pair_row

TEMPLATE = """\
id: CVE-2099-0001
info:
  name: Fruit Press - Files outside the crate can be read
  author: ruleforge
  severity: high
  classification:
    cve-id: CVE-2099-0001
http:
  - method: GET
    path:
      - "{{BaseURL}}/fruit1/press.php?crate0=../../../../../../etc/passwd"
    matchers:
      - type: regex
        regex:
          - "root:.*:0:0:"
"""


def test_every_pair_gets_an_answer_or_a_reason(tmp_path: Path) -> None:
    (tmp_path / "CVE-2099-0001.yaml").write_text(TEMPLATE)
    rows = [
        pair_row(1, "shipped", key=0),
        pair_row(1, "passed", key=1, rule={"no": "rule"}),
        pair_row(2, "shipped", key=0),  # its source is not there
    ]
    found = ask_judge(
        [pair_of(row) for row in rows], tmp_path, benign=(), cross=False, cache=None, jobs=1, progress=lambda *_: None
    )
    good, broken, without = (found.scores[row["pair"]] for row in rows)
    assert good.problem == ""
    assert good.p_miss is not None
    assert 0 <= good.p_miss <= 1
    assert good.apart_miss is not None
    assert "RF3" in broken.problem
    assert without.problem
    assert [abstains(score) for score in (broken, without)] == [True, True]
    assert found.judge
    assert found.seconds is not None


def test_a_folder_of_templates_is_needed(tmp_path: Path) -> None:
    for templates in (None, tmp_path / "none"):
        with pytest.raises(UsageError, match="RF117"):
            ask_judge([], templates, benign=(), cross=False, cache=None, jobs=1, progress=lambda *_: None)
