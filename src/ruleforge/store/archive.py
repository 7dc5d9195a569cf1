"""Archives from strangers (tar.gz, zip): only wanted files come out, and nothing that could land elsewhere."""

import errno
import gzip
import stat
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Generator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, BinaryIO, cast

import msgspec

from ruleforge.errors import InputError, OutsideError

FILE_BYTES_MOST = 4 << 20  # a larger file is left out
TOTAL_BYTES_MOST = 512 << 20  # of everything in the archive, unpacked
RATIO_MOST = 200  # unpacked to packed; text seldom shrinks to a tenth
MEMBERS_MOST = 200_000
NAME_MOST = 1_000  # characters
DEPTH_MOST = 30  # folders
EXTENDED_MOST = 4096  # bytes of a header that only says more about the next member
_SMALL = 1 << 20  # unpacked bytes below which the ratio says nothing


# What the parsers of the standard library raise for bytes that are no archive, or no longer one.
_DAMAGE = (
    OSError, EOFError, ValueError, RuntimeError, LookupError, ArithmeticError, struct.error,
    zlib.error, tarfile.TarError, zipfile.BadZipFile,
)  # fmt: skip
# What is the machine's fault; a name that is a file and a folder at once is the archive's.
_OF_THE_DISK = frozenset((errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EROFS, errno.EACCES, errno.EPERM, errno.EMFILE))
_EXTENDED = frozenset(
    (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)
)


class Unpacked(msgspec.Struct, frozen=True, kw_only=True):
    """What came out."""

    files: int
    left_out: int  # files not wanted or too large
    newest: str  # date of the youngest file; empty: none


class _Member(msgspec.Struct, frozen=True):
    name: str
    regular: bool
    folder: bool
    size: int
    date: str
    open: Callable[[], IO[bytes] | None]


def unpack(archive: Path, into: Path, wanted: Callable[[str], bool]) -> Unpacked:
    """Unpack the files whose names are `wanted` below the folder `into`, which must not exist.

    Raises:
        InputError: no archive of these kinds, or damaged; or a member with an absolute name, a name that leads out
            of the folder, a link or a device; or too many members, too many bytes, or too well packed (RF272).
        OutsideError: the disk does not take it (RF502).
    """
    into.mkdir(parents=True)
    files = left_out = 0
    newest = ""
    try:
        with closing(_members(archive)) as members:
            for number, member in enumerate(members, 1):
                _check(member, number, archive)
                if member.folder:
                    continue
                if _take(member, into, wanted):
                    files, newest = files + 1, max(newest, member.date)
                else:
                    left_out += 1
    except _DAMAGE as error:
        raise _refused(archive, f"damaged: {str(error)[:200]}") from None
    return Unpacked(files=files, left_out=left_out, newest=newest)


def _take(member: _Member, into: Path, wanted: Callable[[str], bool]) -> bool:
    """Write a member that is wanted; whether it was written."""
    stream = member.open() if wanted(member.name) and member.size <= FILE_BYTES_MOST else None
    if stream is None:
        return False
    with stream:
        data = stream.read(FILE_BYTES_MOST)
    place = into.joinpath(*member.name.split("/"))
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    except OSError as error:
        if error.errno not in _OF_THE_DISK:
            raise
        raise OutsideError(f"cannot be unpacked: {error.strerror}", where=str(into), code="RF502") from error
    return True


def _refused(archive: Path, why: str) -> InputError:
    return InputError(f"the archive is refused: {why}", where=str(archive), hint="is it the right file?", code="RF272")


def _check(member: _Member, number: int, archive: Path) -> None:
    """Refuse the whole archive for one member that has no place in an honest one."""
    name = member.name
    shown = repr(name[:100])
    parts = name.split("/")
    if number > MEMBERS_MOST:
        raise _refused(archive, f"more than {MEMBERS_MOST:,} members")
    if len(name) > NAME_MOST or len(parts) > DEPTH_MOST:
        raise _refused(archive, f"the name {shown} is too long or too deep")
    if name.startswith("/") or "\\" in name or "\0" in name or ":" in parts[0]:
        raise _refused(archive, f"the name {shown} is absolute or of another system")
    if any(part in ("", ".", "..") for part in parts):
        raise _refused(archive, f"the name {shown} leads elsewhere")
    if not member.regular and not member.folder:
        raise _refused(archive, f"{shown} is a link or a device")


def _members(archive: Path) -> Generator[_Member, None, None]:
    with archive.open("rb") as file:
        magic = file.read(4)
    if magic[:2] == b"\x1f\x8b":
        return _tar_members(archive)
    if magic == b"PK\x03\x04":
        return _zip_members(archive)
    raise _refused(archive, "neither tar.gz nor zip")


class _Counted:
    """The bytes of a gzip file, until they are too many."""

    def __init__(self, stream: IO[bytes], archive: Path) -> None:
        self.stream, self.archive = stream, archive
        self.packed = archive.stat().st_size
        self.size = 0

    def read(self, size: int) -> bytes:
        """Read on; refuse what unpacks to too much."""
        data = self.stream.read(size)
        self.size += len(data)
        _bound(self.archive, self.size, self.packed)
        return data


def _bound(archive: Path, size: int, packed: int) -> None:
    if size > TOTAL_BYTES_MOST or size > max(_SMALL, packed * RATIO_MOST):
        raise _refused(archive, f"it unpacks to more than {size:,} bytes, packed it has {packed:,}")


class _Plain(tarfile.TarInfo):
    """A member whose extended header is as short as honest ones are: a long one of digits is read in quadratic time."""

    def _proc_member(self, tarfile_: tarfile.TarFile) -> tarfile.TarInfo:  # where every kind of header is told apart
        if self.type in _EXTENDED and not 0 <= self.size <= EXTENDED_MOST:
            raise tarfile.ReadError(f"an extended header of {self.size:,} bytes")
        return cast("tarfile.TarInfo", super()._proc_member(tarfile_))  # type: ignore[misc]


def _tar_members(archive: Path) -> Generator[_Member, None, None]:
    with gzip.open(archive) as plain:
        counted = _Counted(cast("IO[bytes]", plain), archive)
        with tarfile.open(fileobj=cast("BinaryIO", counted), mode="r|", tarinfo=_Plain) as tar:
            for info in tar:
                yield _tar_member(tar, info)
                tar.members = []  # type: ignore[attr-defined]  # a stream is never asked again: keep memory flat


def _tar_member(tar: tarfile.TarFile, info: tarfile.TarInfo) -> _Member:
    if info.name in (".", "./"):
        return _TOP
    return _Member(
        name=info.name.removeprefix("./").rstrip("/"),
        regular=info.isreg() and not info.issparse(),  # a sparse file unpacks to bytes that are not in the archive
        folder=info.isdir(),
        size=info.size,
        date=_date(info.mtime),
        open=lambda: tar.extractfile(info),
    )


_TOP = _Member("top", regular=False, folder=True, size=0, date="", open=lambda: None)  # "./", the folder itself


def _date(seconds: float) -> str:
    try:
        return datetime.fromtimestamp(seconds, UTC).date().isoformat()
    except (OverflowError, OSError, ValueError):
        return ""


def _zip_members(archive: Path) -> Generator[_Member, None, None]:
    with zipfile.ZipFile(archive) as packed:
        infos = packed.infolist()
        _bound(archive, sum(info.file_size for info in infos), archive.stat().st_size)
        for info in infos:
            if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                raise _refused(archive, f"{info.filename[:100]!r} is packed in an unusual way")
            yield _zip_member(packed, info)


def _zip_member(packed: zipfile.ZipFile, info: zipfile.ZipInfo) -> _Member:
    kind, folder = stat.S_IFMT(info.external_attr >> 16), info.is_dir()
    return _Member(
        name=info.filename.rstrip("/") if folder else info.filename,
        regular=not folder and kind in (0, stat.S_IFREG),
        folder=folder and kind in (0, stat.S_IFDIR),
        size=info.file_size,
        date="{:04}-{:02}-{:02}".format(*info.date_time[:3]),
        open=lambda: packed.open(info),
    )
