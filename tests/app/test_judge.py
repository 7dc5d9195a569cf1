"""Judging pairs of rule and source for the bench: in order, on several processes, nothing lost."""

import json
from pathlib import Path
from typing import Any

import pytest

from ruleforge.app.judge import judge_pairs
from ruleforge.judge.features import FEATURES

TEMPLATES = Path(__file__).resolve().parents[2] / "examples" / "templates" / "invented"
SOURCE = "tidewater-fetch-traversal.yaml"
PAGE = {"field": "path", "op": "path_suffix", "value": "/nas_fetch.cgi"}
CLASS = {"field": "args", "op": "is_class", "value": "traversal"}


def row(when: Any, source: str = SOURCE) -> dict[str, Any]:
    rule = {"schema": 1, "id": "RF-X-1", "when": when, "classes": {"traversal": 1} if "is_class" in str(when) else {}}
    return {"rule": rule, "source": source, "miss": "never read"}


def test_answers_come_in_the_order_of_the_rows_whatever_their_sources() -> None:
    other = "larkspur-catalogue-sqli.yaml"
    rows = [row(PAGE), row(PAGE, other), row({"all": [PAGE, CLASS]}), row(PAGE, "none.yaml"), row({"nonsense": 1})]
    loose, stranger, tight, unread, broken = judge_pairs(rows, TEMPLATES, jobs=2)
    assert loose.opinion is not None
    assert stranger.opinion is not None
    assert tight.opinion is not None
    assert loose.opinion.p_off_target > tight.opinion.p_off_target
    assert stranger.opinion.features["replay_missed"] == 1.0
    assert (unread.opinion, broken.opinion) == (None, None)
    assert "RF217" in unread.problem
    assert broken.problem


def test_withheld_kinds_are_judged_apart_by_what_was_measured_once() -> None:
    kinds = frozenset({"near", "neutral", "cross", "benign"})
    (found,) = judge_pairs([row(PAGE)], TEMPLATES, also_without=(kinds, frozenset({"variation"})), jobs=1)
    assert found.opinion is not None
    assert set(found.apart) == {kinds, frozenset({"variation"})}
    assert "neutral_hit" in found.opinion.features
    assert all(FEATURES[name].kind not in kinds for name in found.apart[kinds].features)


def test_traffic_and_other_sources_are_measured_where_they_are_given(tmp_path: Path) -> None:
    day = tmp_path / "day.jsonl"
    targets = ("/", "/cgi/nas_fetch.cgi?volume=main&item=pears")
    day.write_text("".join(json.dumps({"method": "GET", "target": t, "headers": []}) + "\n" for t in targets))
    (found,) = judge_pairs([row(PAGE)], TEMPLATES, benign=[day], cross=True, cache=tmp_path, jobs=1)
    assert found.opinion is not None
    assert found.opinion.features["benign_hit"] == pytest.approx(0.6931, abs=1e-3)
    assert found.opinion.features["strangers_hit"] == 0.0
