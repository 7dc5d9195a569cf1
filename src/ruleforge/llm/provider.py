"""LLMS: who answers. A provider sends one call and gives back text, or says that the answer is still to come."""

import hashlib
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl

import msgspec

from ruleforge._registry import Registry
from ruleforge.errors import InputError, OutsideError, UsageError
from ruleforge.llm.answers import Schema
from ruleforge.llm.framing import Written, write_prompt
from ruleforge.llm.prompt import Prompt
from ruleforge.rules.canonical import canonical_json

Role = Literal["generate", "judge", "test", "extract"]
ID_CHARACTERS = 16
CALL_OVERHEAD = 512  # tokens that a provider may add around a prompt: roles, separators, the request for JSON


class Tuning(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What can be set of a call; part of its identity."""

    temperature_percent: int = 0  # 0 to 200: 70 is the temperature 0.7
    output_most: int = 1_500  # tokens
    sample: int = 0  # ordinal of the sample: the same question asked once more is another call


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """One question as it is sent."""

    role: Role
    subject: str  # what it is about, "CVE-2099-0001"; for budgets and for people
    model: str
    prompt: Prompt
    schema: Schema
    tuning: Tuning

    @property
    def key(self) -> str:
        """Hash of what decides the answer: model, settings, prompt and schema, 64 hexadecimal digits."""
        return hashlib.sha256(canonical_json(self.identity())).hexdigest()

    @property
    def id(self) -> str:
        """The short name of the call, for files and people."""
        return self.key[:ID_CHARACTERS]

    def identity(self) -> dict[str, object]:
        """What decides the answer, as plain data; the frames' tags, which differ by installation, are not in it."""
        return {
            "role": self.role,
            "model": self.model,
            "parts": [[part.kind, part.name, part.text] for part in self.prompt.parts],
            "schema": msgspec.json.encode(self.schema, order="sorted").decode(),
            "tuning": msgspec.to_builtins(self.tuning),
        }

    def written(self, key: bytes) -> Written:
        """The prompt as text; see `framing.write_prompt`."""
        return write_prompt(self.prompt, key)

    def tokens_most(self, key: bytes) -> int:
        """More tokens than the call can cost, sent and made."""
        return self.sent_most(key) + self.tuning.output_most

    def sent_most(self, key: bytes) -> int:
        """More tokens than can be sent with the call: a token is at least one byte of it."""
        written = self.written(key)
        # The schema is sent to the server, and once more to the model, where bytes beyond ASCII are escaped.
        schema = json.dumps(self.schema, ensure_ascii=True, separators=(",", ":"))
        sent = len((written.system + written.user).encode()) + 2 * len(schema)
        return sent + CALL_OVERHEAD


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """What a model answered, word for word; counts of tokens are None where the provider does not say."""

    text: str
    tokens_in: int | None = None
    tokens_out: int | None = None
    model: str = ""  # who answered, as the provider says; empty: as asked
    tokens_cached: int = 0  # of `tokens_in`: read from the provider's cache
    tokens_written: int = 0  # of `tokens_in`: kept in the provider's cache


class Waiting(msgspec.Struct, frozen=True):
    """The question was put, and nobody has answered yet."""

    id: str
    where: str  # where an answer is looked for
    problems: tuple[str, ...] = ()  # what was wrong with the answer before, where there was one


class UnreachedError(OutsideError):
    """Nobody took the request: it cost nothing and may be sent again."""

    code = "RF550"


class RefusedError(OutsideError):
    """The server refused the request, or stayed busy: it made no answer, and sends no bill for one."""

    code = "RF552"


class LostError(OutsideError):
    """The request was taken and its answer did not come whole: it may have cost what it can."""

    code = "RF551"


class Provider(Protocol):
    """Who answers calls.

    Failures that pass (a busy server) are retried inside, within bounds; those that stay are raised as OutsideError.
    """

    url: str  # "mailbox:letters"
    model: str  # part of the identity of calls

    def holds(self, call: Call, /) -> bool:
        """Whether the call was sent before and costs nothing now."""

    def send(self, call: Call, /) -> Reply | Waiting:
        """Send the call, or look whether the one that was sent is answered."""

    def refuse(self, call: Call, problems: tuple[str, ...], /) -> bool:
        """Tell what is wrong with the last answer; True: the same call stays open for another one."""


class Address(msgspec.Struct, frozen=True):
    """The name of a provider taken apart: `mailbox:letters?model=x` has scheme, place and options."""

    url: str
    scheme: str
    place: str
    options: Mapping[str, str]


class Ground(msgspec.Struct, frozen=True):
    """What every provider may need of the installation."""

    frame_key: bytes


Maker: TypeAlias = Callable[[Address, Ground], Provider]
LLMS = Registry[Maker]("provider of language models")


def parse_address(url: str) -> Address:
    """Take the name of a provider apart.

    Raises:
        UsageError: it has no scheme (RF180), or options that are no pairs (RF180).
    """
    scheme, colon, rest = url.partition(":")
    place, _, query = rest.partition("?")
    if not colon or len(url) > 2_000:
        hint = "write it as mailbox:FOLDER; known: " + ", ".join(f"{name}:" for name in LLMS)
        raise UsageError(f"not the name of a provider: {url[:80]!r}", hint=hint, code="RF180")
    try:
        pairs = parse_qsl(query, strict_parsing=bool(query), keep_blank_values=True, max_num_fields=20)
    except ValueError:
        hint = "options are written as ?name=value&name=value"
        raise UsageError(f"the options of a provider cannot be read: {query[:80]!r}", hint=hint, code="RF180") from None
    return Address(url, scheme, place, dict(pairs))


def open_provider(url: str, ground: Ground) -> Provider:
    """Make the provider that `url` names.

    Raises:
        UsageError: no such provider (RF102), a name or an option that cannot be read (RF180), no key (RF186).
    """
    from ruleforge.llm import hosted, mailbox, recording, scripted  # noqa: F401 - they register themselves

    address = parse_address(url)
    return LLMS[address.scheme](address, ground)


def folder_of(address: Address) -> Path:
    """The folder that an address names.

    Raises:
        UsageError: it names none (RF180).
    """
    if not address.place:
        raise UsageError(f"{address.scheme}: needs a folder", hint=f"{address.scheme}:FOLDER", code="RF180")
    return Path(address.place)


def check_options(address: Address, known: tuple[str, ...]) -> None:
    """Refuse options that a provider does not have.

    Raises:
        UsageError: there is one (RF180).
    """
    for name in address.options:
        if name not in known:
            hint = "known: " + (", ".join(known) or "none")
            raise UsageError(f"{address.scheme}: has no option {name[:40]!r}", hint=hint, code="RF180")


def model_of(address: Address, default: str) -> str:
    """The model that an address names, printable and short.

    Raises:
        InputError: it is not (RF265).
    """
    model = address.options.get("model", default)
    if not model or not model.isprintable() or len(model) > 100:
        raise InputError(f"not the name of a model: {model[:60]!r}", code="RF265")
    return model


def model_named(url: str) -> str:
    """The model that the name of a provider leads to, without opening it: no key and no server are needed.

    Raises:
        UsageError: not the name of a provider (RF180).
        InputError: not the name of a model (RF265).
    """
    from ruleforge.llm.recording import recorded_model

    address = parse_address(url)
    named = {"mailbox": "mailbox", "fake": "fake"}.get(address.scheme)
    if address.scheme == "replay":
        named = recorded_model(folder_of(address))
    return model_of(address, address.place if named is None and "+" not in address.scheme else named or "")


# Words in the names of models, and the family each belongs to: those of one family share their mistakes.
FAMILIES = {
    "claude": "claude",
    "gpt": "gpt",
    "o1": "gpt",
    "o3": "gpt",
    "o4": "gpt",
    "gemini": "gemini",
    "gemma": "gemini",
    "llama": "llama",
    "mistral": "mistral",
    "mixtral": "mistral",
    "magistral": "mistral",
    "qwen": "qwen",
    "deepseek": "deepseek",
    "nova": "nova",
    "command": "command",
    "phi": "phi",
    "grok": "grok",
}


def family_of(model: str) -> str:
    """The family of a model by its name; empty where it is not known."""
    words = "".join(letter if letter.isalnum() else " " for letter in model.lower()).split()
    for word in words:
        for start, family in FAMILIES.items():
            if word == start or (len(start) > 2 and word.startswith(start)):
                return family
    return ""
