"""Documents of people as facts with citations, and whether they suffice for a rule."""

import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import msgspec

from ruleforge.errors import InputError, RuleForgeError, UsageError
from ruleforge.ingest.facts import ENDINGS, MAX_BYTES
from ruleforge.ingest.facts_merge import merge_facts
from ruleforge.ingest.llm_extract import ask_llm_extract
from ruleforge.ingest.prose import read_facts
from ruleforge.ingest.readers import list_files
from ruleforge.llm.door import Door, Pending
from ruleforge.records.facts import KINDS, REFUSAL_OF, VERDICTS, Facts

__all__ = ["KINDS", "REFUSAL_OF", "VERDICTS", "Extracted", "extract"]

_READ = (*ENDINGS, ".txt", ".patch", ".diff")
_CVE = re.compile(r"CVE[-_]\d{4}[-_]\d{4,8}", re.IGNORECASE)


class Extracted(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one document; exactly one of `facts` and `error` is there."""

    document: str
    facts: Facts | None = None
    text: str = ""  # that offsets count in
    error: str = ""
    code: str = ""
    pending: str = ""  # where an answer of the model is looked for; the facts are those of the embedded extractor alone
    model: str = ""  # who was asked, where one was


def extract(paths: Sequence[Path], door: Door | None = None) -> Iterator[Extracted]:
    """Read the documents of `paths`; folders give their files that end in .md, .txt, .html, .pdf, .patch and the like.

    Args:
        paths: files and folders.
        door: to a model that reads as well; None: patterns alone.

    Raises:
        UsageError: a path does not exist (RF117).
    """
    for path in paths:
        if not path.exists():
            raise UsageError("no such file or folder", where=str(path), hint="check the path", code="RF117")
    for file in list_files(paths):
        if file in paths or file.suffix.lower() in _READ:
            yield _one(file, door)


def _one(file: Path, door: Door | None) -> Extracted:
    name = str(file)
    try:
        if file.stat().st_size > MAX_BYTES:
            what = f"the document has {file.stat().st_size:,} bytes"
            raise InputError(what, where=name, hint="split the document", code="RF653")
        normal, facts = read_facts(file.read_bytes(), name)
        if door is None:
            return Extracted(document=name, facts=facts, text=normal.text)
        subject = next(
            (found[0].upper() for found in _CVE.finditer(f"{PurePath(name).stem} {normal.text[:4_000]}")),
            PurePath(name).stem[:60],
        )
        told = ask_llm_extract(normal, name, subject.replace("_", "-"), door, facts.requests)
    except RuleForgeError as problem:
        return Extracted(document=name, error=str(problem), code=problem.code)
    except OSError as problem:
        return Extracted(document=name, error=f"cannot be read: {problem.strerror}", code="RF217")
    if isinstance(told, Pending):
        return Extracted(
            document=name, facts=facts, text=normal.text, pending=f"{told.id} in {told.where}", model=door.provider.url
        )
    return Extracted(document=name, facts=merge_facts(facts, told), text=normal.text, model=door.provider.url)
