"""From prose to rules: is what a document says enough, and does its rule hit the template's exploit?

Usage: python bench/bench_prose.py [--data ../shared/data] [--benign FILE] [--hold FILE] [--out DIR] [--misses]

Documents of `documents/advisories` and `documents/vulhub` whose CVE has a template. The template is hidden: rules are
made from the document alone, against the requests of all *other* templates; the own one is only asked afterwards
whether the rule fires on its exploit requests. Labels of people (tests/ingest/labels) say which documents name a
request or an endpoint, and for which a rule is possible at all.

Halves by the last hex digit of sha256(CVE): misses are named in the even half only.
"""

import argparse
import hashlib
import json
import random
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import msgspec

from bench_sources import even, ground
from ruleforge.app.models import open_door
from ruleforge.engine.corpus import Corpus
from ruleforge.engine.reference import compile_rule
from ruleforge.engine.workers import spread
from ruleforge.events.places import HttpView
from ruleforge.ingest.facts import facts_of, judged, normal_of
from ruleforge.ingest.facts_merge import merge_facts
from ruleforge.ingest.llm_extract import ask_llm_extract
from ruleforge.ingest.prose import read_facts, with_facts
from ruleforge.ingest.readers import list_files
from ruleforge.ingest.roles import assign_roles
from ruleforge.llm.door import Pending
from ruleforge.pipeline.forge import Ground, forge_advisory
from ruleforge.pipeline.run import _read, benign_corpus
from ruleforge.records.advisory import Advisory
from ruleforge.records.facts import Facts
from ruleforge.records.interval import wilson
from ruleforge.rules.render import render_sentence
from ruleforge.sources.prose.normal import Normal

LABELS = Path(__file__).resolve().parents[1] / "tests/ingest/labels"
WHO = ("embedded", "model", "both")
TARGET, REFUSALS_TARGET = 0.60, 0.90
GROUND: list[Ground] = []  # set before the processes fork
HOLD: list[Corpus] = []
TEMPLATES: dict[str, Advisory] = {}


class Label(msgspec.Struct, frozen=True):
    """What a person says of a document."""

    document: str
    concrete: bool
    http: bool
    rule_possible: bool | str  # "context": only with another source, a response, or a guess
    reason: str = ""
    kind: str = ""
    note: str = ""


class Labels(msgspec.Struct, frozen=True):
    """A file of labels."""

    labels: tuple[Label, ...]


class Result(msgspec.Struct, frozen=True):
    """How one document ended."""

    document: str
    cve: str
    verdict: str  # of its facts
    synthetic: bool  # its rule was made from requests that were made from facts
    outcome: str  # "rule", or the reason of the refusal
    detail: str
    hit: int  # exploit requests of the template that the rule fires on
    asked: int
    rule: str = ""
    hold_hit: int = 0


def answer(file: Path) -> Result:
    name, cve = f"{file.parent.name}/{file.name}", file.stem
    item = _read(file)
    template = TEMPLATES.get(cve)
    asked = [poc.request for poc in template.requests if poc.role == "exploit"] if template else []
    if not isinstance(item, Advisory):
        return Result(name, cve, "", False, item.code, str(item), 0, len(asked))
    advisory = assign_roles(item)
    synthetic = any("synthetic" in note for poc in advisory.requests for note in poc.notes)
    shown = 0 if synthetic else sum(poc.role == "exploit" for poc in advisory.requests)
    facts = facts_of(normal_of(file.read_bytes(), str(file)), name, shown)
    forged = forge_advisory(advisory, GROUND[0])
    if forged.best is None:
        return Result(name, cve, facts.verdict, synthetic, forged.outcome.reason, forged.outcome.detail, 0, len(asked))
    rule = forged.best.candidate.rule
    ask = compile_rule(rule).ask
    hit = sum(ask(HttpView(request)) is True for request in asked)
    hold = sum(len(corpus.hits(rule.when, dict(rule.classes), limit=200)) for corpus in HOLD)  # type: ignore[arg-type]
    told = f"[{forged.best.candidate.strategy}] {render_sentence(rule)}"
    return Result(name, cve, facts.verdict, synthetic, "rule", "", hit, len(asked), told, hold)


def forged_of(advisory: Advisory, normal: Normal, facts: Facts) -> tuple[str, bool]:
    """How a document ends with these facts: the outcome, and whether its rule hits the hidden template."""
    told = assign_roles(with_facts(advisory, normal, judged(facts, 0)))
    forged = forge_advisory(told, GROUND[0])
    if forged.best is None:
        return forged.outcome.reason, False
    ask = compile_rule(forged.best.candidate.rule).ask
    asked = [poc.request for poc in TEMPLATES[told.id].requests if poc.role == "exploit"]
    return "rule", any(ask(HttpView(request)) is True for request in asked)


def compare(files: Sequence[Path], url: str, data_folder: Path) -> None:
    """Both readers of the same documents: alone and together. Documents whose answer is to come are left out."""
    door = open_door(url, data_folder=data_folder)
    rows: list[tuple[str, Facts, Facts, list[tuple[str, bool]]]] = []
    for file in files:
        normal, embedded = read_facts(file.read_bytes(), file.name)
        model = ask_llm_extract(normal, file.name, file.stem, door, embedded.requests)
        if isinstance(model, Pending):
            print(f"  {file.stem}: open, {model.id}", *model.problems)
            continue
        item = _read(file)
        if isinstance(item, Advisory):
            bare = msgspec.structs.replace(item, requests=(), early=("", ""))
            three = [forged_of(bare, normal, facts) for facts in (embedded, model, merge_facts(embedded, model))]
            rows.append((file.stem, embedded, model, three))
    for name, embedded, model, three in rows:
        merged = merge_facts(embedded, model)
        both = sum(fact.source == "both" for fact in merged.facts)
        ends = "; ".join(f"{who} {end}{' hits' * hit}" for who, (end, hit) in zip(WHO, three, strict=True))
        print(f"  {name}: facts {len(embedded.facts)} embedded, {len(model.facts)} model, {both} both, "
              f"{len(model.dropped)} dropped, {len(merged.conflicts)} conflicts; {ends}")  # fmt: skip
    for number, who in enumerate(WHO):
        ends = [row[3][number] for row in rows]
        told = f"{sum(end == 'rule' for end, _ in ends)} rules, {sum(hit for _, hit in ends)} hit the template"
        print(f"{who}: of {len(rows)} documents {told}")


def rate(name: str, rows: Sequence[Result], good: Callable[[Result], bool]) -> dict[str, Any]:
    """Print one line with its interval, and return its numbers."""
    count = sum(map(good, rows))
    share = count / len(rows) if rows else 0.0
    between = wilson(count, len(rows))
    print(f"  {name:72} {count:4}/{len(rows):<4} {share:6.1%}  ({between.low:.0%} to {between.high:.0%})")
    return {"count": count, "of": len(rows), "share": round(share, 4)}


def report(results: Sequence[Result], labels: dict[str, Label], options: argparse.Namespace) -> dict[str, Any]:
    figures: dict[str, Any] = {}
    for half, keep in (("all", (True, False)), ("even", (True,)), ("odd", (False,))):
        for folder in ("", *sorted({r.document.partition("/")[0] for r in results})):
            mine = [r for r in results if even(r.cve) in keep and r.document.startswith(folder)]
            told = [(r, labels[r.document]) for r in mine if r.document in labels]
            known = [r for r in mine if r.asked]
            print(f"{half}: {folder or 'all documents'}")
            refused = [(r, label) for r, label in told if r.outcome != "rule"]
            hopeless = [r for r, label in told if label.rule_possible is not True]
            concrete = [r for r, label in told if label.concrete and r.asked]
            possible = [r for r, label in told if label.rule_possible is True and r.asked]
            figures[f"{half} {folder}".strip()] = {
                "enough": rate("facts are enough for a rule", mine, lambda r: r.verdict in ("enough", "request")),
                "rule": rate("gave a rule that passed every gate", mine, lambda r: r.outcome == "rule"),
                "hit": rate("… and hits an exploit request of the hidden template", known, lambda r: r.hit > 0),
                "rule_hits": rate("rules that hit an exploit request of the template",
                                  [r for r in known if r.outcome == "rule"], lambda r: r.hit > 0),
                "concrete_rule": rate("labelled: names a request or endpoint; gave a rule", concrete,
                                      lambda r: r.outcome == "rule"),
                "concrete_hit": rate(f"labelled: names a request or endpoint; rule hits (target {TARGET:.0%})",
                                     concrete, lambda r: r.hit > 0),
                "concrete_all": rate("… hits all exploit requests of the template", concrete,
                                     lambda r: 0 < r.asked == r.hit),
                "possible_hit": rate("labelled: a rule is possible; rule hits", possible, lambda r: r.hit > 0),
                "refused_right": rate(f"refusals that the label bears out (target {REFUSALS_TARGET:.0%})",
                                      [r for r, _ in refused],
                                      lambda r: labels[r.document].rule_possible is not True),
                "hopeless_refused": rate("labelled: no rule possible; refused", hopeless,
                                         lambda r: r.outcome != "rule"),
                "early_right": rate("early answers (by the words alone) that the label bears out",
                                    [r for r, _ in told if r.verdict not in ("enough", "request")],
                                    lambda r: labels[r.document].rule_possible is not True),
            }  # fmt: skip
            if options.hold:
                figures[f"{half} {folder}".strip()]["hold"] = rate(
                    "rules that fire on normal traffic of the hold part",
                    [r for r in mine if r.outcome == "rule"], lambda r: r.hold_hit > 0,
                )  # fmt: skip
    print("verdicts:", dict(Counter(r.verdict for r in results).most_common()))
    print("outcomes:", dict(Counter(r.outcome for r in results).most_common()))
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, default=Path(__file__).parents[2] / "shared" / "data")
    parser.add_argument("--benign", type=Path, help="normal traffic that rules must be silent on")
    parser.add_argument("--hold", type=Path, help="normal traffic that is only reported")
    parser.add_argument("--out", type=Path, default=Path("bench-prose"), help="where the indexes are kept")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--json", type=Path)
    parser.add_argument("--llm", default="", help="compare with this model, such as mailbox:FOLDER, on a sample")
    parser.add_argument("--sample", type=int, default=12, help="documents of the even half without a label, for --llm")
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--misses", action="store_true", help="print misses of the even half with their rules")
    options = parser.parse_args()
    files = list(list_files([options.data / "nuclei-templates/http/cves"]))
    read = [found for found in spread(_read, files, options.jobs, chunk=64) if isinstance(found, Advisory)]
    TEMPLATES.update((advisory.id, advisory) for advisory in read)
    if options.llm:
        GROUND.append(ground(read, None, options.out, options.jobs))
        pool = [f for f in sorted((options.data / "documents/advisories").glob("*.md")) if even(f.stem)]
        told = {
            label.document
            for label in msgspec.json.decode((LABELS / "advisories.json").read_bytes(), type=Labels).labels
        }
        fresh = [file for file in pool if f"advisories/{file.name}" not in told and file.stem in TEMPLATES]
        compare(sorted(random.Random(options.seed).sample(fresh, options.sample)), options.llm, options.out)
        return
    GROUND.append(ground(read, options.benign, options.out, options.jobs))
    if options.hold:
        HOLD.append(benign_corpus(options.hold, options.out / ".ruleforge", options.jobs, lambda *_: None))
    documents = [
        file
        for folder in ("advisories", "vulhub")
        for file in sorted((options.data / "documents" / folder).glob("*.md"))
        if file.stem in TEMPLATES or folder == "vulhub"
    ]
    results = [
        result or Result(f"{file.parent.name}/{file.name}", file.stem, "", False, "died", "", 0, 0)
        for file, result in zip(documents, spread(answer, documents, options.jobs, chunk=2), strict=True)
    ]
    labels: dict[str, Label] = {}
    for name in ("documents.json", "advisories.json"):
        found = msgspec.json.decode((LABELS / name).read_bytes(), type=Labels)
        labels |= {label.document: label for label in found.labels}
    figures = report(results, labels, options)
    if options.misses:
        for result in results:
            label = labels.get(result.document)
            wrong = label is not None and (label.rule_possible is True) is not (result.outcome == "rule")
            missed = result.outcome == "rule" and result.asked > 0 and not result.hit
            if even(result.cve) and (wrong or missed or (label and label.concrete and not result.hit)):
                told = f"concrete {label.concrete}, rule {label.rule_possible}" if label else "no label"
                print(f"\n{result.document} ({told}): {result.verdict}; {result.outcome} {result.detail[:200]}")
                print("   ", result.rule[:500])
                for poc in TEMPLATES[result.cve].requests[:3] if result.cve in TEMPLATES else ():
                    request = poc.request
                    print("    template:", poc.role, request.method, request.target[:160], (request.body or b"")[:160])
    digest = hashlib.sha256(json.dumps([msgspec.to_builtins(r) for r in results]).encode()).hexdigest()[:16]
    print(f"{len(results)} documents, results {digest}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


if __name__ == "__main__":
    main()
