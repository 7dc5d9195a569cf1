"""Family JUDGE: the exploit's own call with nothing but ordinary values in it.

Near-misses (`near`) exchange the values that a payload class knows. An attack that no class knows leaves no near-miss;
but where the flaw is an injection, a call whose values are all ordinary is none, whatever the attack looked like.
"""

import msgspec

from ruleforge.cases.anatomy import Anatomy, Part, expected_classes
from ruleforge.cases.edit import with_filename, with_value
from ruleforge.cases.near import NearMiss
from ruleforge.cases.ordinary import FILLINGS, ordinary_file, ordinary_value
from ruleforge.cases.significance import WEAK_CLASSES, is_namespace, is_selector, name_classes, path_payload
from ruleforge.events.request import Request
from ruleforge.records.advisory import Advisory

PARTS_MOST = 40
VALUE_MOST = 64 * 1024  # bytes of all values together; a larger request is not edited value by value
_PLACES = frozenset(("query_args", "form_args", "json", "multipart"))


def twins(anatomy: Anatomy, advisory: Advisory) -> tuple[NearMiss, ...]:
    """Give every value that is no selector an ordinary one; empty where the attack may lie elsewhere than in values."""
    if not set(expected_classes(advisory)) - WEAK_CLASSES or path_payload(anatomy):
        return ()
    parts = [part for part in anatomy.parts if not is_namespace(part)]
    told = [part for part in parts if part.place not in _PLACES and (part.classes or part.inner)]
    if told or len(parts) > PARTS_MOST or sum(len(part.value) for part in parts) > VALUE_MOST:
        return ()
    free = [part for part in parts if part.place in _PLACES and not _plain_selector(part)]
    if not free or any(name_classes(part) for part in free) or any(part.place == "body" for part in parts):
        return ()
    why = "all its values are ordinary, and the flaw is an injection"
    made = [_ordinary(anatomy.poc.request, free, number) for number in range(FILLINGS)]
    return tuple(NearMiss(request, "all_ordinary", why) for request in made if request is not None)


def _plain_selector(part: Part) -> bool:
    return is_selector(part) and not part.classes and not part.inner


def _ordinary(request: Request, parts: list[Part], number: int) -> Request | None:
    changed: Request | None = request
    for part in parts:
        if changed is None:
            return None
        if part.filename is not None:
            named = with_filename(changed, part, ordinary_file(number, "judge"))
            changed = named and with_value(
                named, _with_filename(part, ordinary_file(number, "judge")), b"Minutes of the meeting.\n"
            )
        else:
            changed = with_value(changed, part, ordinary_value(part, number, "judge"))
    return None if changed == request else changed


def _with_filename(part: Part, filename: bytes) -> Part:
    return msgspec.structs.replace(part, filename=filename)
