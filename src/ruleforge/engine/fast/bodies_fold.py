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
_LESS, _GREATER, _DASH, _OPEN_OBJECT, _OPEN_ARRAY, _EXCLAMATION, _QUESTION, _SLASH, _AMPERSAND = b"<>-{[!?/&"
_MOST_OPEN = 60  # elements in one another; all a little under the bounds of `events.bodies.bounds`
_MOST_LEAVES = 900
_MOST_NAME = 4_000
# What a wild text may hold: anything, or only what stands in the body too.
ANYTHING, OF_THE_BODY = 1, 2


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
def wild_markup(source: Bytes, begin: int, end: int) -> int:
    """Say what the text of XML may hold, OF_THE_BODY or ANYTHING; 0 where it may meet a bound or declares something.

    A name is in the body as it is. So is a value without references, where no tag stands between two parts of it.
    """
    tags = open_now = most_open = leaves = token = longest = 0
    sections = mixed = is_closing = after_tag = False
    for index in range(begin, end):
        byte = source[np.uint64(index)]
        if byte == _LESS:
            following = source[index + 1] if index + 1 < end else np.uint8(0)
            is_closing = following == _SLASH or following == _QUESTION
            if following == _SLASH:
                open_now = max(0, open_now - 1)
            elif following == _EXCLAMATION:
                sections = True
                if index + 2 < end and source[index + 2] != _DASH and source[index + 2] != _OPEN_ARRAY:
                    return 0  # a declaration
            elif following == _QUESTION:
                sections |= tags > 0
            else:
                tags, open_now = tags + 1, open_now + 1
                most_open = max(most_open, open_now)
            after_tag, token = False, 0
        elif byte == _GREATER:
            before = source[index - 1]
            after_tag = is_closing or before == _SLASH or before == _QUESTION
            is_closing, token = False, 0
        elif byte == 32 or 9 <= byte <= 13:
            token = 0
        else:
            mixed |= after_tag or byte == _AMPERSAND
            leaves += byte == EQUALS
            token = 0 if byte == EQUALS or byte == 34 or byte == 39 else token + 1
            longest = max(longest, token)
    # In a section tags are text, and `/>` in a value closes nothing: all count as open then.
    most_open = tags if sections else min(tags, most_open)
    is_named = end - begin <= _MOST_NAME or (most_open + 2) * (longest + 2) <= _MOST_NAME
    if most_open > _MOST_OPEN or tags + leaves > _MOST_LEAVES or not is_named:
        return 0
    return ANYTHING if sections or mixed else OF_THE_BODY


@native
def has_few_parts(source: Bytes, begin: int, end: int) -> bool:
    """Say whether a multipart body surely has no more parts and file names than are read."""
    count = np.int64(2)
    for index in range(begin, end - 3):  # a delimiter begins a line; `filename` names a file
        one, other = source[np.uint64(index)], source[np.uint64(index + 1)]
        third, fourth = source[np.uint64(index + 2)], source[np.uint64(index + 3)]
        count += np.int64((one == 10) & (other == _DASH) & (third == _DASH))
        count += np.int64(((one | 32) == 102) & ((other | 32) == 105) & ((third | 32) == 108) & ((fourth | 32) == 101))
    return count <= _MOST_LEAVES  # type: ignore[return-value]


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
        return _fold_json(work, pointer, at, body, begin, end, shown)
    if parser == MARKUP:
        wild = wild_markup(body, begin, end)
        work.wild[XML], work.last_element[XML] = wild if folded[BODY] else ANYTHING, -1
        return at if wild else -1
    if parser == PARTS and kind != FORM:
        work.wild[MULTIPART], work.last_element[MULTIPART] = OF_THE_BODY if folded[BODY] else ANYTHING, -1
        return at if has_few_parts(body, begin, end) else -1
    return at


@native
def _fold_json(work: Scratch, pointer: Bytes, at: int, body: Bytes, begin: int, end: int, shown: int) -> int:
    """Append the text of JSON, none where no parser takes it; -1 where that is beyond doubt to the parser only."""
    first = work.elements[0]
    stop = put_json(work.text, at, body, begin, end, pointer, work.steps, work.elements)
    if stop < 0:
        if stop != -2 or shown != OBJECT:
            return -1
        work.elements[0] = first
        return at
    work.begin[JSON], work.end[JSON] = at, stop
    work.first_element[JSON], work.last_element[JSON] = first, work.elements[0]
    return stop


@native
def _is_array(body: Bytes, begin: int, end: int) -> bool:
    """Say whether the first byte that counts opens an array; only called where one opens something."""
    while begin < end and body[begin] != _OPEN_OBJECT and body[begin] != _OPEN_ARRAY:
        begin += 1
    return begin < end and body[begin] == _OPEN_ARRAY
