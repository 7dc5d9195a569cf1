"""Documents of people as facts with citations, and whether they suffice for a rule."""

import hashlib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path, PurePath

import msgspec

from ruleforge.engine.workers import OutOfTimeError, deadline
from ruleforge.errors import InputError, RuleForgeError, UsageError
from ruleforge.ingest.fact_requests import SYNTHETIC
from ruleforge.ingest.facts import ENDINGS, MAX_BYTES, judged
from ruleforge.ingest.facts_merge import merge_facts
from ruleforge.ingest.llm_extract import ask_llm_extract
from ruleforge.ingest.prose import read_facts, with_facts
from ruleforge.ingest.readers import list_files
from ruleforge.ingest.roles import assign_roles
from ruleforge.llm.door import Door, Pending
from ruleforge.pipeline.run import READ_SECONDS_MOST, Read
from ruleforge.records.advisory import Advisory
from ruleforge.records.facts import KINDS, REFUSAL_OF, VERDICTS, Facts
from ruleforge.sources.prose.normal import Normal

__all__ = ["KINDS", "REFUSAL_OF", "VERDICTS", "Extracted", "extract", "read_with_model"]

PROSE = ("markdown", "text", "html", "pdf", "patch")  # formats whose words are read for facts

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
            raise InputError(what, where=name, hint="split the document", code="RF263")
        with file.open("rb") as stream:  # a device says that it has no bytes, and has no end
            data = stream.read(MAX_BYTES + 1)
        with deadline(READ_SECONDS_MOST):
            normal, facts = read_facts(data, name)
        if door is None:
            return Extracted(document=name, facts=facts, text=normal.text)
        told = ask_llm_extract(normal, name, _subject(name, normal.text), door, facts.requests)
    except RuleForgeError as problem:
        return Extracted(document=name, error=str(problem), code=problem.code)
    except OutOfTimeError:
        late = InputError(f"not read within {READ_SECONDS_MOST:g} s", where=name, hint="split the file", code="RF297")
        return Extracted(document=name, error=str(late), code=late.code)
    except OSError as problem:
        return Extracted(document=name, error=f"cannot be read: {problem.strerror}", code="RF217")
    if isinstance(told, Pending):
        return Extracted(
            document=name, facts=facts, text=normal.text, pending=f"{told.id} in {told.where}", model=door.provider.url
        )
    return Extracted(document=name, facts=merge_facts(facts, told), text=normal.text, model=door.provider.url)


def _subject(name: str, text: str) -> str:
    stem = PurePath(name).stem
    found = _CVE.search(f"{stem} {text[:4_000]}")
    return found[0].upper().replace("_", "-") if found else stem[:60]


def read_with_model(read: Read, door: Door) -> Read:
    """Let a model read the documents of which no request shows an attack, beside the embedded extractor.

    A document whose answer is to come, or whose model fails, stays as it was read, and says so among its problems.

    Args:
        read: each source file with what was read from it.
        door: to the model.
    """
    return [(file, _again(file, item, door) if isinstance(item, Advisory) else item) for file, item in read]


def _again(file: str, advisory: Advisory, door: Door) -> Advisory:
    shown = tuple(poc for poc in advisory.requests if SYNTHETIC not in poc.notes)
    if advisory.format not in PROSE or any(poc.role == "exploit" for poc in shown):
        return advisory
    one = _one(Path(file), door)
    if one.facts is None or one.pending:
        note = f"the model has not answered yet: {one.pending}" if one.pending else f"no facts of a model: {one.error}"
        return msgspec.structs.replace(advisory, problems=(*advisory.problems, note[:300]))
    bare = msgspec.structs.replace(advisory, requests=shown, early=("", ""))
    digest = hashlib.sha256(advisory.digest.encode() + msgspec.json.encode(one.facts)).hexdigest()
    told = with_facts(bare, Normal(one.text, "plain"), judged(one.facts, 0))
    return assign_roles(msgspec.structs.replace(told, digest=digest))
