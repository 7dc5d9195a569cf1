"""What the reader knows of classes: where a member is found, and what a class costs that is made from many."""

from ruleforge.sources.poc_code import requests_in_code
from ruleforge.sources.poc_code.values import MAX_LINEAGE, Blueprint, Symbol, text


def test_a_class_many_times_its_own_ancestor_is_visited_once() -> None:
    made = Blueprint("A0", {}, (Symbol("threading.Thread"),))
    for level in range(1, 9):
        made = Blueprint(f"A{level}", {}, (made,) * 50)
    assert [each.name for each in made.lineage] == [*(f"A{n}" for n in range(8, -1, -1)), "threading.Thread"]
    assert made.find("foo") is None
    assert [*made.symbols()] == ["threading.Thread"]


def test_a_lineage_has_a_longest_length() -> None:
    made = Blueprint("A", {"far": text("x")}, ())
    for _ in range(MAX_LINEAGE - 1):
        made = Blueprint("B", {}, (made,))
    assert len(made.lineage) == MAX_LINEAGE
    assert made.find("far") == text("x")
    beyond = Blueprint("C", {}, (made,))
    assert len(beyond.lineage) == MAX_LINEAGE
    assert beyond.find("far") is None


def test_a_member_is_found_depth_first() -> None:
    grandparent = Blueprint("grandparent", {"a": text("first")}, ())
    parent = Blueprint("parent", {"b": text("own")}, (grandparent,))
    other = Blueprint("other", {"a": text("second"), "c": text("third")}, (Symbol("http.Later"),))
    child = Blueprint("child", {}, (Symbol("http.Early"), parent, other))
    assert [child.find(name) for name in "abc"] == [text("first"), text("own"), text("third")]
    assert [*child.symbols()] == ["http.Early", "http.Later"]


def test_a_script_with_such_classes_is_read_to_its_end() -> None:
    classes = "class A0: pass\n" + "".join(f"class A{n + 1}({','.join([f'A{n}'] * 40)}): pass\n" for n in range(8))
    script = f"import requests\n{classes}x = A8()\nx.foo()\nrequests.get('http://target/after')\n"
    found = requests_in_code(script, "python")
    assert [each.request.target for each in found.requests] == [b"/after"]
    assert found.problems == ()
