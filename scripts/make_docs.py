"""Write docs/reference from the program itself: registries, data files, the source and the command line.

`python scripts/make_docs.py` writes, `--check` fails when a page is not what this script makes. Pages that people
write (rule-language.md and the rest of docs/) are not touched.
"""

import argparse
import json
import re
import sys
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import typer

import ruleforge.cli
from error_codes import Use, uses_below
from ruleforge.events.formats import FORMATS
from ruleforge.events.formats.event_logs import EVENT_FORMATS
from ruleforge.events.kinds import EVENTS, HTTP
from ruleforge.ingest.readers import READERS
from ruleforge.records.forging import REFUSALS
from ruleforge.rules.classes import CLASSES, load_class
from ruleforge.rules.operators import OPERATORS, Example
from ruleforge.rules.schema import rule_schema, whole_schema
from ruleforge.rules.transforms import MAX_TRANSFORMS, TRANSFORMS
from ruleforge.rules.values import VALUE_TYPES
from ruleforge.validate.checks import CHECKS

ROOT = Path(__file__).resolve().parents[1]
REFERENCE = ROOT / "docs" / "reference"
SOURCE = ROOT / "src" / "ruleforge"
RATES = ROOT / "src" / "ruleforge" / "generate" / "class_rates.json"  # made by bench/bench_classes.py
MADE = "<!-- Written by scripts/make_docs.py (`make docs`). Change the program, not this page. -->\n\n"
FAMILIES = {
    "0": "Base of all errors",
    "1": "Usage: the caller asked for something that does not exist or does not fit (exit 2)",
    "2": "Input: a document, request or log line cannot be read; the rest of the batch goes on (exit 2)",
    "3": "Rules: a rule is refused, or lint has something to say about it (exit 2)",
    "4": "Policy: a rule of the house forbids the step",
    "5": "Outside: disk, network or another program failed (exit 3)",
    "6": "Proofs and lint: what `lint` says about a rule that loads",
}
# Messages that are made far from where the code stands.
SAID = {
    "RF301": "cannot read the file: … · the document is larger than … bytes · not a JSON document: …",
    "RF213": "the YAML is beyond the bounds (depth, number of nodes, aliases): …, line …",
    "RF502": "what the operating system says about a file: no space left, no permission …",
    "RF561": "another scan works with this checkpoint or this output folder",
    "RF599": "a mistake of the program: its type and its words",
}


# The words before each table; `{…}` is filled in.
INTRODUCTIONS = {
    "fields": """# Fields

The places a condition can read, for each kind of event; `event` in a rule says which kind it is about. A *single*
field has one value at most, a *many* field several; a *named* field has elements with names (arguments, headers …) and
takes an optional `name`. The last columns are the nearest names of the Elastic Common Schema and of the Open
Cybersecurity Schema Framework. What the views of the path do to it is told in [the rule language](rule-language.md).
""",
    "operators": """# Operators

A condition over several values holds when *some* value satisfies its operator. Operators over *values* ask how many
there are. The examples read: this value, asked of this text.

""",
    "checks": """# Checks and gates

What a rule must pass before it is kept. A check that could not tell (`passed` is null in `evidence.json`) does not fail
a rule, and says why it could not.

""",
    "formats": """# Formats of requests and logs

The format of a file is found from its content; naming it is only needed where that fails.

""",
    "event_formats": """
## Formats of other events

Read by `events`; a line that cannot be read is counted, and the rest goes on.

""",
    "advisory_formats": """# Formats of advisories

What `forge` and `triage` read. The ending of a file says which formats it may have; of these the first that recognises
the content reads it. A file that no format takes is skipped, which is no failure. What is taken from each is told in
[forge from other sources](../howto/forge-from-other-sources.md).

""",
    "transforms": """# Transforms

Applied from left to right before the operator asks, each from one value to one or to none. A condition has at most
{most} of them. Payload classes bring their own forms: a condition with a class has no transforms.

""",
    "classes": """# Payload classes

A class says what one kind of attack looks like. A value satisfies it when any of its canonical forms does. A version is
never edited once rules with it were released: a change makes a new version, and rules keep theirs. Patterns are asked
about the form in lower case. *Examples*: texts that must hit, that must hit although encoded, and that must not.

""",
    "class_rates": """
## How often ordinary values are hits

Counted with `bench/bench_classes.py` over ordinary traffic that is not part of the project: {fit_args} argument values
and {fit_headers} header values of sites that could be looked at while the classes were written (*fit*), {hold_args} and
{hold_headers} of sites that were only counted (*hold*). No hit in *n* values bounds the rate at 3/*n*. A value counts
as often as it was sent. `url_value` holds for every URL by definition: rules ask it of a named parameter, never alone.

""",
    "errors": """# Errors

Every error has a code that never changes its meaning, the place it is about, and the next step. `…` stands for what is
known only when it happens. A rule that fails validation is no error: it is a result, with its reasons.
""",
    "refusals": """# Reasons for refusing a source

The outcome "no safe rule" is a result, not an error, and has one of these reasons. `forge --format ndjson` says for
each advisory which it was, and what was seen.

""",
    "schema": """# JSON Schema of a rule

Composed from the registries: what the parser accepts, this schema accepts, and the other way round. The whole schema is
a file, [rule.schema.json](rule.schema.json); these are the keys of a document.

""",
    "commands": """# Commands

Results go to standard output, progress and messages to standard error.

""",
}


def cell(text: str) -> str:
    """Words on one line, with nothing in them that Markdown or HTML would read."""
    return " ".join(text.split()).replace("\\", "\\\\").replace("<", "&lt;").replace("*", "\\*")


def code(text: str) -> str:
    """Text in a monospaced font, whatever it holds."""
    shown = "".join(char if char.isprintable() else f"\\x{ord(char):02x}" for char in text)
    longest = max((len(run) for run in re.findall("`+", shown)), default=0)
    fence = "`" * (longest + 1)
    pad = " " if longest or not shown.strip() else ""
    return f"{fence}{pad}{shown}{pad}{fence}" if shown else "(empty)"


def table(heads: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> str:
    lines = ["| " + " | ".join(heads) + " |", "|" + "---|" * len(heads)]
    # A column mark is escaped even inside code: tables are cut into cells first.
    lines += ["| " + " | ".join(text.replace("|", "\\|") for text in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def fields_page() -> str:
    parts = [INTRODUCTIONS["fields"]]
    for name, kind in EVENTS.items():
        rows = [
            (code(field.name), field.kind, field.type, cell(field.meaning), *map(optional, (field.ecs, field.ocsf)))
            for field in kind.fields.values()
        ]
        heads = ("field", "kind", "type", "meaning", "ECS", "OCSF")
        parts.append(f"\n## {name}\n\n{kind.meaning[:1].upper()}{kind.meaning[1:]}.\n\n" + table(heads, rows))
    return "".join(parts)


def optional(text: str) -> str:
    return code(text) if text else ""


def shown_value(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(shown_value(item) for item in value)
    return code(value.decode("latin-1") if isinstance(value, bytes) else str(value))


def shown_example(example: Example | None) -> str:
    return f"{shown_value(example.value)} of {shown_value(example.text)}" if example else ""


def operators_page() -> str:
    rows = [
        (
            code(name),
            code(part.takes),
            part.over,
            cell(part.meaning),
            shown_example(part.holds),
            shown_example(part.fails),
        )
        for name, part in OPERATORS.items()
    ]
    types = [(code(name), cell(part.meaning)) for name, part in VALUE_TYPES.items()]
    return (
        INTRODUCTIONS["operators"]
        + table(("operator", "takes", "asks about", "holds when", "holds for", "fails for"), rows)
        + "\n## What operators take\n\n"
        + table(("type", "what to write in `value`"), types)
    )


def formats_page() -> str:
    rows = [(code(name), cell(part.meaning)) for name, part in FORMATS.items()]
    return INTRODUCTIONS["formats"] + table(("format", "what it is"), rows) + event_formats_part()


def event_formats_part() -> str:
    rows = [
        (code(name), code(part.event) if part.event != "any" else "any", cell(part.meaning))
        for name, part in EVENT_FORMATS.items()
    ]
    return INTRODUCTIONS["event_formats"] + table(("format", "events", "what it is"), rows)


def advisory_formats_page() -> str:
    rows = [
        (code(name), cell(part.meaning), ", ".join(map(code, part.endings)), f"{part.most_bytes // 2**20} MiB")
        for name, part in READERS.items()
    ]
    return INTRODUCTIONS["advisory_formats"] + table(("format", "what it is", "endings", "most"), rows)


def checks_page() -> str:
    """The checks and the gates; a gate's meaning is the comment behind it in gates.py."""
    checks = [(code(name), cell((check.__doc__ or "").partition("\n")[0])) for name, check in CHECKS.items()]
    pattern = re.compile(r"^([A-Z_]+) = ([0-9._]+)(?:  # (.+))?$", re.MULTILINE)
    found = pattern.findall((SOURCE / "validate" / "gates.py").read_text("utf-8"))
    gates = [(code(name), value, cell(meaning)) for name, value, meaning in found]
    return (
        INTRODUCTIONS["checks"]
        + table(("check", "passes when"), checks)
        + "\n## Gates\n\n"
        + table(("gate", "value", "meaning"), gates)
    )


def transforms_page() -> str:
    rows = [(code(name), cell(part.meaning)) for name, part in TRANSFORMS.items()]
    return INTRODUCTIONS["transforms"].format(most=MAX_TRANSFORMS) + table(("transform", "what it does"), rows)


def classes_page() -> str:
    data = {name: load_class(name, versions[-1]).data for name, versions in CLASSES.items()}
    heads = ("class", "what", "weaknesses", "forms", "versions", "examples: hits / encoded / no hits")
    rows = [
        (
            f"[{code(name)}](#{name})",
            cell(each.title),
            ", ".join(each.cwes),
            str(len(each.forms)),
            ", ".join(map(str, CLASSES[name])),
            f"{len(each.positive)} / {len(each.evasion)} / {len(each.negative)}",
        )
        for name, each in data.items()
    ]
    pages = "".join(class_part(each) for each in data.values())
    return INTRODUCTIONS["classes"] + table(heads, rows) + rates_part() + pages


def rates_part() -> str:
    """How often each class holds for ordinary values, as far as it was counted for its latest version."""
    counted = json.loads(RATES.read_text("utf-8"))
    keys = ("fit args", "hold args", "fit headers", "hold headers")
    totals = {key.replace(" ", "_"): f"{counted['values'][key]:,}" for key in keys}
    rows = []
    for name, versions in CLASSES.items():
        known = counted["versions"].get(name) == versions[-1]
        hits = [counted["hits"][name].get(key, 0) if known else None for key in keys]
        rows.append((code(name), *(share(hit, counted["values"][key]) for hit, key in zip(hits, keys, strict=True))))
    heads = ("class", "arguments, fit", "arguments, hold", "headers, fit", "headers, hold")
    return INTRODUCTIONS["class_rates"].format(**totals) + table(heads, rows)


def share(hits: int | None, values: int) -> str:
    if hits is None:
        return "not counted"
    return f"{hits:,} ({hits / values:.1%})" if hits / values >= 0.0005 else f"{hits:,}"


def class_part(data: Any) -> str:
    samples = [(kind, [text for text in texts if text][:3]) for kind, texts in class_samples(data)]
    lines = [f"- {kind}: {', '.join(map(code, texts))}\n" for kind, texts in samples if texts]
    patterns = [(code(p.id), code(p.regex), cell(p.why)) for p in data.patterns]
    return (
        f"\n## {data.name}\n\n{cell(data.title)}, version {data.version}. {cell(data.description)}\n\n"
        f"Forms: {', '.join(map(code, data.forms))}.\n\n"
        + "".join(lines)
        + "\n"
        + table(("pattern", "regular expression", "why"), patterns)
    )


def class_samples(data: Any) -> tuple[tuple[str, tuple[str, ...]], ...]:
    return (("hits", data.positive), ("hits, encoded", data.evasion), ("no hits", data.negative))


def errors_page() -> str:
    uses = uses_below(SOURCE)
    parts = [INTRODUCTIONS["errors"]]
    for family, title in FAMILIES.items():
        codes = sorted({use.code for use in uses if use.code[2] == family})
        if codes:
            rows = [(code(each), meanings(each, uses), modules(each, uses)) for each in codes]
            parts.append(f"\n## {title}\n\n" + table(("code", "what it says", "raised in"), rows))
    return "".join(parts)


def refusals_page() -> str:
    rows = [(code(reason), cell(meaning)) for reason, meaning in REFUSALS.items()]
    return INTRODUCTIONS["refusals"] + table(("reason", "meaning"), rows)


def meanings(wanted: str, uses: list[Use]) -> str:
    if wanted in SAID:
        return cell(SAID[wanted])
    said = list(dict.fromkeys(use.message for use in uses if use.code == wanted and use.message))
    if wanted[2] == "6":
        said = said[:1]  # its title; the other messages name what was found
    return " · ".join(cell(text) for text in said) or "see the message"


def modules(wanted: str, uses: list[Use]) -> str:
    return ", ".join(code(module) for module in dict.fromkeys(use.module for use in uses if use.code == wanted))


def command_page() -> str:
    app = next(part for part in vars(ruleforge.cli).values() if isinstance(part, typer.Typer))
    root: Any = typer.main.get_command(app)
    parts = [
        INTRODUCTIONS["commands"]
        + table(
            ("exit", "meaning"),
            (
                ("0", "done, nothing to report"),
                ("1", "done, and something was found; each command says what"),
                ("2", "the call or the input was wrong"),
                ("3", "something outside failed: disk, network, another program"),
            ),
        )
    ]
    parts += [section(words, command) for words, command in commands(("ruleforge",), root)]
    return "".join(parts)


def commands(words: tuple[str, ...], command: Any) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield words, command
    for name, part in getattr(command, "commands", {}).items():
        if not getattr(part, "hidden", False):
            yield from commands((*words, name), part)


def section(words: tuple[str, ...], command: Any) -> str:
    shown = [param for param in command.params if not getattr(param, "hidden", False)]
    arguments = [param for param in shown if param.param_type_name == "argument"]
    options = [param for param in shown if param.param_type_name == "option"]
    usage = " ".join((*words, *(["[OPTIONS]"] if options else []), *(argument_words(each) for each in arguments)))
    if getattr(command, "commands", None):
        usage += " COMMAND"
    rows = [(code(argument_words(each)), cell(getattr(each, "help", "") or "")) for each in arguments]
    rows += [(code(", ".join(each.opts + each.secondary_opts)), option_words(each)) for each in options]
    title = "#" * min(len(words) + 1, 4) + " " + " ".join(words)
    text = "\n\n".join(map(help_block, (command.help or "").split("\n\n")))
    return f"\n{title}\n\n```text\n{usage}\n```\n\n{text}\n" + ("\n" + table(("", "meaning"), rows) if rows else "")


def help_block(block: str) -> str:
    """A paragraph of help; after a backspace, examples that keep their lines."""
    if block.startswith("\b\n"):
        return f"```sh\n{block[2:].rstrip()}\n```"
    return " ".join(block.split())


def argument_words(argument: Any) -> str:
    name = (argument.metavar or argument.name or "").upper()
    many = "..." if argument.nargs == -1 else ""
    return f"{name}{many}" if argument.required else f"[{name}]{many}"


def option_words(option: Any) -> str:
    text = cell(option.help or "")
    choices = choices_of(option)
    if choices:
        text += " One of " + ", ".join(map(code, choices)) + "."
    default = getattr(option.default, "value", option.default)
    if isinstance(default, str | int | float | Path) and default is not False and default != "":
        text += f" Default: {code(str(default))}."
    return (text + (" Required." if option.required else "")).strip()


def choices_of(option: Any) -> list[str]:
    """Words an option is limited to. Where they are kept differs between versions of the library."""
    annotation = getattr(getattr(option, "type_descriptor", None), "annotation", None)
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return [str(each.value) for each in annotation]
    if get_origin(annotation) is Literal:
        return [str(each) for each in get_args(annotation)]
    return [str(getattr(each, "value", each)) for each in getattr(getattr(option, "type", None), "choices", None) or ()]


def schema_page() -> str:
    schema = rule_schema(HTTP)
    schema["properties"]["event"] = {"enum": list(EVENTS)}
    return INTRODUCTIONS["schema"] + table(("key", "must be there", "meaning"), schema_rows(schema))


def schema_rows(schema: dict[str, Any]) -> list[tuple[str, ...]]:
    required = schema.get("required", [])
    return [
        (code(key), "yes" if key in required else "", kind_of_schema(part))
        for key, part in schema.get("properties", {}).items()
    ]


def kind_of_schema(part: dict[str, Any]) -> str:
    """One line about a part of the schema; the file has all of it."""
    if "description" in part:
        return cell(part["description"])
    if "const" in part:
        return "always " + code(json.dumps(part["const"]))
    if "enum" in part:
        return "one of " + ", ".join(code(str(each)) for each in part["enum"])
    if "$ref" in part:
        return "a " + code(part["$ref"].rpartition("/")[2])
    if part.get("type") == "array":
        return "list of: " + kind_of_schema(part.get("items", {}))
    pattern = f" like {code(part['pattern'])}" if "pattern" in part else ""
    return cell(str(part.get("type", "any"))) + pattern


def schema_file() -> str:
    return json.dumps(whole_schema(), indent=1, ensure_ascii=False, sort_keys=True) + "\n"


def index_page() -> str:
    return (
        "# Reference\n\n"
        "| page | what |\n|---|---|\n"
        "| [cli.md](cli.md) | every command and option, exit codes |\n"
        "| [rule-language.md](rule-language.md) | what a rule means |\n"
        "| [fields.md](fields.md) | the places of a request, and the fields of other events, that a rule can read |\n"
        "| [operators.md](operators.md) | the questions it can ask |\n"
        "| [transforms.md](transforms.md) | what it can do to a value first |\n"
        "| [payload-classes.md](payload-classes.md) | the kinds of attack it can name |\n"
        "| [checks.md](checks.md) | what a rule must pass, and the thresholds |\n"
        "| [advisory-formats.md](advisory-formats.md) | the templates, texts, scripts and recordings it can read |\n"
        "| [formats.md](formats.md) | the requests, logs and other events it can read |\n"
        "| [schema.md](schema.md) | the document, as JSON Schema |\n"
        "| [errors.md](errors.md) | every code of an error, a proof or lint |\n"
        "| [refusals.md](refusals.md) | the reasons for making no rule |\n\n"
        "All but rule-language.md are written by `make docs`.\n"
    )


PAGES: dict[str, Callable[[], str]] = {
    "README.md": index_page,
    "cli.md": command_page,
    "errors.md": errors_page,
    "refusals.md": refusals_page,
    "fields.md": fields_page,
    "operators.md": operators_page,
    "transforms.md": transforms_page,
    "checks.md": checks_page,
    "advisory-formats.md": advisory_formats_page,
    "formats.md": formats_page,
    "payload-classes.md": classes_page,
    "schema.md": schema_page,
    "rule.schema.json": schema_file,
}


def main(argv: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page differs")
    check = parser.parse_args(argv).check
    stale = []
    for name, make in PAGES.items():
        text = (MADE if name.endswith(".md") else "") + make()
        file = REFERENCE / name
        if check and (not file.exists() or file.read_text("utf-8") != text):
            stale.append(name)
        if not check:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, "utf-8")
    if stale:
        print(f"docs/reference is out of date: {', '.join(stale)}; run `make docs`", file=sys.stderr)
    return 1 if stale else 0


if __name__ == "__main__":
    raise SystemExit(main())
