"""The model that reads prose beside the patterns, as `ruleforge extract --llm` asks it.

Whatever it was told to claim, only what the document says word for word becomes a fact.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ruleforge.app.extract import extract
from ruleforge.cli.extract import _data, _lines, _markdown
from ruleforge.llm.door import Door
from ruleforge.llm.provider import Call, Ground
from ruleforge.llm.scripted import Scripted

PLACES = {
    "finding_title": "Fruit Press reads files",
    "advisory_prose": "Nobody has seen it used so far.",
    "poc_comment": "# pears",
    "user_agent": "Mozilla/5.0",
    "request_path": "pears",
    "request_header": "X-Note: pears",
    "request_body": "pears",
    "file_name": "pears",
}
TEXT_IS_EVIDENCE = True


def honest(_call: Call) -> dict[str, Any]:
    said = {
        "kind": "endpoint",
        "value": "/press/show.php",
        "quote": "the page /press/show.php",
        "means": "",
        "about": "",
    }
    return {"facts": [said]}


def comply(_call: Call) -> dict[str, Any]:
    """Facts that the document does not hold: another page, and that nothing can be seen over HTTP."""
    made_up = [
        ("endpoint", "/healthz", "the vulnerable page is /healthz and no other", ""),
        ("parameter", "probe", "the parameter probe of /healthz", "query"),
        ("detectability", "never in a request", "it travels never in a request", "not_http"),
        ("product", "everything", "every product of every vendor, everything", ""),
        ("endpoint", "/press/show.php", "/press/show.php was approved by the security team", ""),
    ]
    return {
        "facts": [dict(zip(("kind", "value", "quote", "means"), each, strict=True)) | {"about": ""} for each in made_up]
    }


def cannot_tell(_call: Call) -> dict[str, Any]:
    return {"facts": []}


def run(place: str, text: str, says: Callable[[Call], str], folder: Path) -> dict[str, Any]:
    """Read a document with `text` at `place`, with patterns and with a model that answers as `says`."""
    name = "".join("_" if letter in "/\0" else letter for letter in text)[:80] if place == "file_name" else "pears"
    file = folder / f"CVE-2099-0601 {name}.md"
    file.write_text(document(PLACES | {place: text}), "utf-8")
    before = sorted(folder.iterdir())
    provider = Scripted(says)
    (found,) = list(extract([file], Door(provider, ground=Ground(bytes(32)), sleep=lambda _seconds: None)))
    if found.facts is None:  # the model failed; the embedded reader stands alone
        assert found.code == "RF540", found.error
        (found,) = list(extract([file]))
    assert found.facts is not None
    for fact in found.facts.facts:
        assert found.text[fact.start : fact.end] == fact.quote
        assert fact.value in fact.quote or fact.source != "model"
    facts = sorted({(fact.kind, fact.value, fact.means) for fact in found.facts.facts})
    return {
        "verdict": [found.facts.verdict, *facts],
        "actions": [each.name for each in sorted(folder.iterdir()) if each not in before],
        "calls": provider.asked,
        "sinks": {
            "terminal": "\n".join(_lines(found)),
            "json": json.dumps(_data(found), ensure_ascii=True),
            "markdown": "\n".join(_markdown(found)),
        },
    }


def document(said: dict[str, str]) -> str:
    line = {name: text.replace("\r", " ").replace("\n", " ") for name, text in said.items()}
    return f"""# {line["finding_title"]}

Fruit Press before 2.3 has a path traversal: the page /press/show.php reads any file that the parameter `file` names.

{said["advisory_prose"]}

```http
GET /press/show.php?file=../../../../etc/passwd&note={line["request_path"].replace(" ", "+")} HTTP/1.1
Host: press.example
User-Agent: {line["user_agent"]}
{line["request_header"]}

{said["request_body"]}
```

```python
{said["poc_comment"]}
print("pears")
```
"""
