"""Scripts of invented exploits give the requests they would send; hostile ones end within bounds; nothing is run."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.sources.poc_code import LANGUAGES, language_of, requests_in_code

CASES = sorted((Path(__file__).parent / "cases").glob("*.txt"))
ENDINGS = {".py": "python", ".rb": "ruby"}


def language_in(file: Path) -> str:
    return ENDINGS[Path(file.stem).suffix]


def expected(file: Path) -> dict[str, Any]:
    return json.loads(file.with_suffix(".json").read_text("utf-8"))


def shown(file: Path) -> dict[str, Any]:
    found = requests_in_code(file.read_text("utf-8"), language_in(file))
    return {
        "cves": list(found.cves),
        "title": found.title,
        "tags": list(found.tags),
        "problems": list(found.problems),
        "requests": [
            {
                "origin": each.origin,
                "method": each.request.method.decode(),
                "target": each.request.target.decode(),
                "headers": [[n.decode(), v.decode()] for n, v in each.request.headers if n != b"Content-Length"],
                "body": None if each.request.body is None else each.request.body.decode("latin-1"),
                "standins": [mark.decode() for mark in each.standins],
            }
            for each in found.requests
        ],
    }


def test_cases_were_found() -> None:
    assert len(CASES) >= 25
    assert {language_in(file) for file in CASES} == set(LANGUAGES)


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_a_script_gives_the_requests_it_would_send(file: Path) -> None:
    assert shown(file) == expected(file)


@pytest.mark.parametrize("file", CASES, ids=lambda file: file.stem)
def test_its_language_is_told_from_its_text(file: Path) -> None:
    assert language_of(file.read_text("utf-8")) == language_in(file)


def test_steps_count_the_requests_in_order() -> None:
    for file in CASES:
        found = requests_in_code(file.read_text("utf-8"), language_in(file))
        assert [each.step for each in found.requests] == list(range(len(found.requests)))


def test_stand_ins_stand_in_their_request() -> None:
    for file in CASES:
        for each in requests_in_code(file.read_text("utf-8"), language_in(file)).requests:
            whole = b"\n".join((each.request.target, each.request.body or b"", *map(b" ".join, each.request.headers)))
            assert [mark for mark in each.standins if mark not in whole] == []


PYTHON_BOMBS = {
    "brackets": "x=" + "(" * 5000 + ")" * 5000,
    "signs": "x=" + "-" * 100_000 + "1",
    "attributes": "x=a" + ".b" * 50_000,
    "calls": "x=a" + "()" * 50_000,
    "sum": "import requests\nx=" + "+".join(["'a'"] * 50_000) + "\nrequests.get(x)",
    "repeated": "import requests\nx='a'*10**9\nrequests.get('http://h/'+x*10**9)",
    "power": "import requests\nrequests.get('http://h/%d' % 9**9**9**9)",
    "recursion": "import requests\ndef f(x):\n  return g(x)\ndef g(x):\n  return f(x)+f(x)\nrequests.get(f('b'))",
    "fan": "".join(f"def f{n}(x):\n  f{n + 1}(x+'a');f{n + 1}(x+'b');f{n + 1}(x)\n" for n in range(30)) + "f0('')",
    "loops": "".join("  " * n + f"for a{n} in range(9999999):\n" for n in range(15)) + "  " * 15 + "print(1)",
    "endless": "import requests\nx='a'\nwhile True:\n  x=x+x\n" + "  x+=x\n" * 1000 + "  requests.get(x)",
    "own key": "import requests\nd={}\nd['a']=d\nrequests.post('http://h/',json=d)\nrequests.post('http://h/',data=d)",
    "width": "import requests\nrequests.get('{0:>99999999999}'.format('a') + '%99999999d' % 1)",
    "own base": "class A(A): pass\nclass B(A): pass\nA.b=B\nB().x()",
    "blanks": "except" + " " * 400_000 + "x\nprint 1",
    "bad lines": "$$$ bad\n" * 3000,
}
RUBY_BOMBS = {
    "brackets": "x=" + "(" * 5000 + ")" * 5000,
    "interpolation": 'x = "' + "#{" * 100_000,
    "interpolation of texts": 'x = "' + '#{"' * 20_000 + '"}' * 20_000,
    "blocks": "a.each do |x|\n" * 300 + "end\n" * 300,
    "here-documents": "x = <<A, <<B, <<C\n" * 5000,
    "assignments": "x = " * 5000 + "1",
    "commands": "puts " * 5000,
    "shovel": "x='a'*100\n" + "x << x\n" * 100 + "send_request_raw('uri'=>x)",
    "recursion": "def a(x)\n b(x)\nend\ndef b(x)\n a(x) + a(x)\nend\na('x')",
}
BOMBS = [("python", name, bomb) for name, bomb in PYTHON_BOMBS.items()]
BOMBS += [("ruby", name, bomb) for name, bomb in RUBY_BOMBS.items()]


@pytest.mark.parametrize(("language", "bomb"), [each[::2] for each in BOMBS], ids=[f"{e[0]}-{e[1]}" for e in BOMBS])
def test_a_hostile_script_ends_within_bounds(language: str, bomb: str) -> None:
    found = requests_in_code(bomb, language)
    assert len(found.requests) <= 60
    assert len(found.problems) <= 21
    assert all(len(each.request.target) <= 32 << 10 for each in found.requests)


@pytest.mark.parametrize("name", ["brackets", "fan", "loops", "recursion", "endless", "repeated", "bad lines"])
def test_a_bound_that_was_reached_is_reported_or_the_value_is_a_gap(name: str) -> None:
    found = requests_in_code(PYTHON_BOMBS[name], "python")
    assert found.problems or found.requests


def test_a_script_that_is_too_long_is_left_alone() -> None:
    assert requests_in_code("import requests\n" * 60_000).problems == ("the script has more than 524288 characters",)


@pytest.mark.parametrize("language", ["python", "ruby"])
def test_nothing_of_a_script_is_run(language: str, tmp_path: Path) -> None:
    mark = tmp_path / "ran"
    source = {
        "python": f"open({str(mark)!r}, 'w').write('x')\nimport os\nos.system('touch {mark}')\n"
        f"__import__('pathlib').Path({str(mark)!r}).touch()\nexec(\"open({str(mark)!r}, 'w')\")\n",
        "ruby": f"File.write('{mark}', 'x')\nsystem('touch {mark}')\n`touch {mark}`\n",
    }[language]
    requests_in_code(source, language)
    assert not mark.exists()


def test_prose_is_in_no_language() -> None:
    assert language_of("The page show.php does not check its argument, so that anybody reads any file.") is None


def test_a_language_without_a_reader_is_said_so() -> None:
    found = requests_in_code("#include <stdio.h>\nint main() { return 0; }\n")
    assert found.problems == ("no reader for scripts in c",)


@given(st.text(max_size=400), st.sampled_from(sorted(LANGUAGES)))
def test_any_text_gives_findings(text: str, language: str) -> None:
    assert requests_in_code(text, language).requests is not None


WORDS = "x|=|(|)|[|]|{|}|'a'|\"#{x}\"|\n| |def f|end|if |:|,|.|%|*|+|import requests|requests.get|send_request_cgi"
FRAGMENTS = st.sampled_from([*WORDS.split("|"), "'uri'=>", "do |x|", "<<A\n", "A\n", "1", "lambda ", "for x in "])


@given(st.lists(FRAGMENTS, max_size=60).map("".join), st.sampled_from(sorted(LANGUAGES)))
def test_any_shuffled_script_gives_findings(text: str, language: str) -> None:
    assert len(requests_in_code(text, language).requests) <= 60
