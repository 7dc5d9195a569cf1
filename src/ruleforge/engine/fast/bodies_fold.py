"""What a body is, and what it folds to: the choices of `events.bodies.parsing`, where they are beyond doubt."""

import numpy as np

from ruleforge.engine.fast.fold import EQUALS, GROWTH, ROOM, SEMICOLON, put_arguments, put_plain
from ruleforge.engine.fast.json_fold import put_json
from ruleforge.engine.fast.layout import ARGS, ARGS_RAW, BODY, BODY_RAW, JSON, MULTIPART, XML, Bytes, Scratch
from ruleforge.engine.fast.native import inlined, native
from ruleforge.engine.zones import DECODE_ROUNDS
from ruleforge.events.bodies.bounds import MAX_BODY_BYTES, MAX_VALUES

UNKNOWN, FORM, PARTS, OBJECT, MARKUP = range(5)  # parsers: none declared, form, multipart, JSON, XML

_FORM_TYPE = np.frombuffer(b"application/x-www-form-urlencoded", np.uint8)
_PARTS_TYPE = np.frombuffer(b"multipart/", np.uint8)
_OBJECT_TYPES = tuple(np.frombuffer(name, np.uint8) for name in (b"json", b"x-json", b"json-rpc", b"csp-report"))
_JSON, _X_JSON, _JSON_RPC, _CSP_REPORT = _OBJECT_TYPES
_XML = np.frombuffer(b"xml", np.uint8)
_XML_ENTITY = np.frombuffer(b"xml-external-parsed-entity", np.uint8)
_LESS, _DASH, _OPEN_OBJECT, _OPEN_ARRAY, _EXCLAMATION = b"<-{[!"
_MOST_TAGS = 128  # so that at most half as many elements are open at once
_MOST_LEAVES = 900
_MOST_NAME = 4_000


@native
def is_word(source: Bytes, begin: int, end: int, word: Bytes) -> bool:
    """Say whether a part is `word`, which is in lower case, whatever case it is in."""
    if end - begin != len(word):
        return False
    for index in range(len(word)):
        byte = source[begin + index]
        if (byte + 32 if 65 <= byte <= 90 else byte) != word[index]:
            return False
    return True


@native
def declared_kind(source: Bytes, begin: int, end: int) -> int:
    """Return the parser that a Content-Type header declares; -1 where the body may be in a wide character set."""
    for index in range(begin, min(end, begin + 1_000) - 4):
        if source[index] | 32 != 117:
            continue
        if source[index + 1] | 32 == 110 and source[index + 2] | 32 == 105:  # unicode-…
            return -1
        if source[index + 1] | 32 == 116 and source[index + 2] | 32 == 102:  # utf…
            after = source[index + 3]
            if after == 45 or after == 95:
                after = source[index + 4]
            if after != 56:
                return -1
    stop = begin
    while stop < end and source[stop] != SEMICOLON:
        stop += 1
    while begin < stop and (source[begin] == 32 or 9 <= source[begin] <= 13):
        begin += 1
    while stop > begin and (source[stop - 1] == 32 or 9 <= source[stop - 1] <= 13):
        stop -= 1
    if is_word(source, begin, stop, _FORM_TYPE):
        return FORM
    if is_word(source, begin, min(stop, begin + len(_PARTS_TYPE)), _PARTS_TYPE):
        return PARTS
    subtype = stop
    while subtype > begin and source[subtype - 1] != 47:
        subtype -= 1
    plus = stop
    while plus > subtype and source[plus - 1] != 43:
        plus -= 1
    begin = plus
    if (
        is_word(source, begin, stop, _JSON)
        or is_word(source, begin, stop, _X_JSON)
        or is_word(source, begin, stop, _JSON_RPC)
        or is_word(source, begin, stop, _CSP_REPORT)
    ):
        return OBJECT
    if is_word(source, begin, stop, _XML) or is_word(source, begin, stop, _XML_ENTITY):
        return MARKUP
    return UNKNOWN


@native
def shown_kind(source: Bytes, begin: int, end: int) -> int:
    """Return the parser that the first byte of a body suggests."""
    while begin < end and (
        source[begin] == 32
        or source[begin] == 9
        or source[begin] == 10
        or source[begin] == 13
        or source[begin] == 0xEF
        or source[begin] == 0xBB
        or source[begin] == 0xBF
    ):
        begin += 1
    if begin == end:
        return FORM
    if source[begin] == _OPEN_OBJECT or source[begin] == _OPEN_ARRAY:
        return OBJECT
    if source[begin] == _LESS:
        return MARKUP
    return PARTS if source[begin] == _DASH and begin + 1 < end and source[begin + 1] == _DASH else FORM


@native
def is_small_markup(source: Bytes, begin: int, end: int) -> bool:
    """Say whether XML surely stays within every bound and declares nothing."""
    tags = equals = declarations = 0
    for index in range(begin, end):
        tags += source[index] == _LESS
        equals += source[index] == EQUALS
        declarations += source[index] == _EXCLAMATION
    return tags <= _MOST_TAGS and tags + equals <= _MOST_LEAVES and not declarations and end - begin <= _MOST_NAME


@native
def has_few_parts(source: Bytes, begin: int, end: int) -> bool:
    """Say whether a multipart body surely has no more parts and file names than are read."""
    dashes = parameters = 0
    for index in range(begin, end):
        dashes += source[index] == _DASH
        parameters += source[index] == SEMICOLON
    return dashes // 2 + parameters <= _MOST_LEAVES


@inlined
def fold_body(
    work: Scratch, folded: Bytes, pointer: Bytes, at: int, body: Bytes, begin: int, end: int, kind: int
) -> int:
    """Fold a body that no coding hides to the texts that need it; -1 where that is beyond doubt to the parser only.

    Args:
        work: where to; the text of arguments so far must be the last one.
        folded: per text, whether it is needed.
        pointer: room for a JSON pointer.
        at: where the text of the arguments ends.
        body: the column of bodies.
        begin: where this one begins.
        end: where it ends.
        kind: what the request declares.
    """
    text = work.text
    size = end - begin
    if size > MAX_BODY_BYTES or kind < 0 or at + (DECODE_ROUNDS + 1) * (size + ROOM) > len(text):
        return -1
    if size >= 2 and (
        (body[begin] == 0xFF and body[begin + 1] == 0xFE) or (body[begin] == 0xFE and body[begin + 1] == 0xFF)
    ):
        return -1
    shown = shown_kind(body, begin, end)
    if kind == FORM or (kind == UNKNOWN and shown == FORM and size > 0):
        room = 3 * (GROWTH * size + ROOM) + work.end[ARGS_RAW] - work.begin[ARGS_RAW]
        at = _fold_form(work, folded, at, body, begin, end) if at + room <= len(text) else -1
        if at < 0:
            return -1
    return _fold_tree(work, folded, pointer, at, body, begin, end, kind, shown)


@inlined
def _fold_form(work: Scratch, folded: Bytes, at: int, body: Bytes, begin: int, end: int) -> int:
    """Append a form to the texts of arguments, of which the raw one is moved behind the other."""
    text = work.text
    at = put_arguments(text, at, body, begin, end, False, MAX_VALUES, work.elements)
    if at < 0:
        return -1
    work.end[ARGS] = at
    work.last_element[ARGS] = work.elements[0]
    if folded[ARGS_RAW]:
        start = at
        for index in range(work.begin[ARGS_RAW], work.end[ARGS_RAW]):
            text[at] = text[index]
            at += 1
        at = put_arguments(text, at, body, begin, end, True, MAX_VALUES, work.elements)
        work.begin[ARGS_RAW], work.end[ARGS_RAW] = start, at
        work.last_element[ARGS_RAW] = -1  # they were moved
    return at


@inlined
def _fold_tree(
    work: Scratch, folded: Bytes, pointer: Bytes, at: int, body: Bytes, begin: int, end: int, kind: int, shown: int
) -> int:
    """Append the texts of the body as such, and of what a JSON body holds; XML and multipart may hold anything."""
    text = work.text
    if folded[BODY] or folded[BODY_RAW]:
        start = at
        at = put_plain(text, at, body, begin, end)
        work.begin[BODY], work.end[BODY] = start, at
        work.begin[BODY_RAW], work.end[BODY_RAW] = start, at
    if begin == end:
        return at
    parser = kind if kind != UNKNOWN and kind != FORM else shown
    if kind != UNKNOWN and kind != FORM and kind != shown and kind != OBJECT:
        return -1
    if parser == OBJECT and not (kind == FORM and _is_array(body, begin, end)):
        work.begin[JSON], work.first_element[JSON] = at, work.elements[0]
        at = put_json(text, at, body, begin, end, pointer, work.steps, work.elements)
        work.end[JSON], work.last_element[JSON] = at, work.elements[0]
    elif parser == MARKUP:
        work.wild[XML], work.last_element[XML] = 1, -1
        if not is_small_markup(body, begin, end):
            return -1
    elif parser == PARTS and kind != FORM:
        work.wild[MULTIPART], work.last_element[MULTIPART] = 1, -1
        if not has_few_parts(body, begin, end):
            return -1
    return at


@native
def _is_array(body: Bytes, begin: int, end: int) -> bool:
    """Say whether the first byte that counts opens an array; only called where one opens something."""
    while begin < end and body[begin] != _OPEN_OBJECT and body[begin] != _OPEN_ARRAY:
        begin += 1
    return begin < end and body[begin] == _OPEN_ARRAY
