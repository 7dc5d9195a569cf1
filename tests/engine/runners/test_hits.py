import numpy as np
import pytest

from ruleforge.engine.batches import Matches
from ruleforge.engine.runners.hits import HITS, MAX_TARGET, Labels, Naming, hits_of
from ruleforge.events.columns import to_batch
from ruleforge.events.request import Request


@pytest.mark.parametrize(
    ("text", "shown"),
    [("\0a.log:3", "a.log:13"), ("\0a.log:3:x", "a.log:13:x"), ("a.log:3", "a.log:3"), ("\0a.log:", "a.log:"),
     ("\0a.log:²", "a.log:²"), ("", "")],
)  # fmt: skip
def test_only_ids_that_the_reader_made_get_the_line_of_the_file(text, shown):
    assert Naming("a.log", 10).place(text) == shown


def test_texts_of_strangers_are_bounded_and_bytes_that_are_no_text_are_written_out(ruleset):
    request = Request(method=b"\xff" * 9000, target=b"/\xfe" * 9000, id="i" * 9000, source_address=b"x" * 9000)
    matches = Matches(np.array([0], np.int32), np.array([1], np.int32), np.zeros(3, np.int64), 0)
    hits = hits_of(to_batch([request]), matches, Labels(ruleset.rules), "f", np.array([7]))
    assert hits.schema.equals(HITS)
    (hit,) = hits.to_pylist()
    assert (hit["row"], hit["rule"], hit["cves"]) == (7, "RF-CVE-2099-0002-1", ["CVE-2099-0002"])
    assert hit["target"].startswith("/\\xfe/\\xfe")
    assert all(len(value) <= 4 * MAX_TARGET for value in hit.values() if isinstance(value, str))
