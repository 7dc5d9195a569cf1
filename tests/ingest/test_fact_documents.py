"""The labels of documents are what they claim to be; on real documents every fact quotes its text."""

import json
import time
from pathlib import Path

import pytest

from ruleforge.ingest.facts import facts_of, grounded, normal_of

LABELS = json.loads((Path(__file__).parent / "labels" / "advisories.json").read_text())
LEAST = 80
ENOUGH_LEAST = 0.70  # of the advisories that name a request or an endpoint
EARLY_LEAST = 0.85  # of the early answers that a label bears out


def test_there_are_enough_labels_each_once_and_in_our_own_words() -> None:
    labels = LABELS["labels"]
    assert len(labels) >= LEAST
    assert len({label["document"] for label in labels}) == len(labels)
    for label in labels:
        assert set(label) == {"document", "concrete", "http", "rule_possible", "reason"}
        assert label["rule_possible"] in (True, False, "context")
        assert 5 < len(label["reason"]) < 120


@pytest.mark.corpus
def test_labelled_advisories_are_judged_as_a_person_did_mostly(corpus: Path) -> None:
    verdicts = {}
    for label in LABELS["labels"]:
        file = corpus / "documents" / label["document"]
        verdicts[label["document"]] = facts_of(normal_of(file.read_bytes(), str(file)), file.name).verdict
    named = [label for label in LABELS["labels"] if label["concrete"]]
    enough = sum(verdicts[label["document"]] == "enough" for label in named)
    assert enough >= ENOUGH_LEAST * len(named)
    early = [label for label in LABELS["labels"] if verdicts[label["document"]] != "enough"]
    assert sum(label["rule_possible"] is not True for label in early) >= EARLY_LEAST * len(early)


@pytest.mark.corpus
def test_every_fact_of_a_real_document_stands_in_its_text_and_none_takes_long(corpus: Path) -> None:
    slowest = 0.0
    files = sorted((corpus / "documents").glob("*/*.md")) + sorted((corpus / "documents").glob("exploitdb/*.txt"))[::7]
    assert len(files) > 300
    for file in files:
        normal = normal_of(file.read_bytes(), str(file))
        started = time.process_time()
        found = facts_of(normal, file.name)
        slowest = max(slowest, time.process_time() - started)
        assert all(grounded(fact, normal.text) for fact in found.facts), file.name
    assert slowest < 5
