"""AWS CloudTrail: files with a list `Records`, lines of records, and records inside CloudWatch or EventBridge."""

from collections.abc import Iterator
from typing import BinaryIO

from ruleforge.errors import InputError
from ruleforge.events.event import Event, Given, make_event
from ruleforge.events.formats.event_logs.json_lines import Row, at, leaves, read_records, text_of
from ruleforge.events.formats.event_logs.times import iso_us
from ruleforge.events.origin import parse_address

MAX_RESOURCES = 1_000


def is_cloudtrail(data: dict[str, object]) -> bool:
    """Whether an object is a record of CloudTrail."""
    data = _record(data)
    return isinstance(data.get("eventSource"), str) and isinstance(data.get("eventName"), str)


def read_cloudtrail(
    stream: BinaryIO, name: str, most: int, until_us: int | None = None
) -> Iterator[Event | InputError]:
    """Read one call a record; what is no record is an error, and the rest goes on."""
    for row in read_records(stream, name, most, "Records"):
        if isinstance(row, InputError):
            yield row
        elif not is_cloudtrail(row.data):
            hint = "expected eventSource and eventName"
            yield InputError("no record of CloudTrail", where=row.where, hint=hint, code="RF250")
        else:
            yield _event(Row(row.where, _record(row.data)), name)


def _record(data: dict[str, object]) -> dict[str, object]:
    """Return the record itself; EventBridge puts it below `detail`."""
    detail = data.get("detail")
    return detail if isinstance(detail, dict) and "eventSource" not in data else data


def _event(row: Row, name: str) -> Event:
    data = row.data
    given: dict[str, Given] = {
        "provider": "aws",
        "service": text_of(data.get("eventSource")),
        "action": text_of(data.get("eventName")),
        "outcome": "failure" if _failed(data) else "success",
        "error.code": text_of(data.get("errorCode")),
        "account": text_of(data.get("recipientAccountId")) or text_of(at(data, "userIdentity", "accountId")),
        "region": text_of(data.get("awsRegion")),
        "user_agent": text_of(data.get("userAgent")),
        "request": leaves(data.get("requestParameters")),
        "response": leaves(data.get("responseElements")),
        "resources": _resources(data.get("resources")),
        "read_only": text_of(data.get("readOnly")),
    }
    given |= _identity(data) | _source(data)
    where = text_of(data.get("eventID")) or row.where
    return make_event("cloud_api", given, time_us=iso_us(data.get("eventTime")), id=where[:200], source=name)


def _failed(data: dict[str, object]) -> bool:
    login = text_of(at(data, "responseElements", "ConsoleLogin"))
    return bool(data.get("errorCode")) or login == "Failure"


def _identity(data: dict[str, object]) -> dict[str, Given]:
    """Say who called. Of a role that was assumed, the role is the user; its session is in the ARN."""
    who = data.get("userIdentity")
    role = text_of(at(who, "sessionContext", "sessionIssuer", "userName"))
    kind = text_of(at(who, "type"))
    return {
        "user": text_of(at(who, "userName")) or role or ("root" if kind == "Root" else None),
        "user.type": kind,
        "user.id": text_of(at(who, "arn")) or text_of(at(who, "principalId")),
        "user.mfa": _factor(data, who),
        "access_key": text_of(at(who, "accessKeyId")),
    }


def _factor(data: dict[str, object], who: object) -> str | None:
    used = text_of(at(data, "additionalEventData", "MFAUsed"))
    if used in ("Yes", "No"):
        return "true" if used == "Yes" else "false"
    return text_of(at(who, "sessionContext", "attributes", "mfaAuthenticated"))


def _source(data: dict[str, object]) -> dict[str, Given]:
    text = text_of(data.get("sourceIPAddress"))
    if not text:
        return {}
    address = parse_address(text)
    return {"source.service": text} if address is None else {"source.address": str(address)}


def _resources(value: object) -> list[bytes]:
    items = value[: MAX_RESOURCES + 1] if isinstance(value, list) else []
    arns = [text_of(at(item, "ARN")) or text_of(at(item, "arn")) for item in items]
    return [arn.encode("utf-8", "surrogatepass") for arn in arns if arn]
