"""Archives: wanted files come out; one member that has no place in an honest archive refuses all of it."""

import errno
import gzip
import io
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ruleforge.errors import InputError, OutsideError
from ruleforge.store import archive as room
from ruleforge.store.archive import Unpacked, unpack

FILES = {"orchard/a.yaml": b"id: a\n", "orchard/deep/b.yaml": b"id: b\n", "orchard/README.md": b"# ours\n"}


NO_ARCHIVES: list[bytes] = [b"", b"id: a\n", b"\x1f\x8b", b"PK\x03\x04"]


def tar_of(files: dict[str, bytes], *, change: Callable[[tarfile.TarInfo], None] = lambda _: None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 4_070_908_800  # 2099-01-01
            change(info)
            tar.addfile(info, io.BytesIO(data) if info.isreg() else None)
    return packed.getvalue()


def zip_of(files: dict[str, bytes], mode: int = 0o100644) -> bytes:
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            info = zipfile.ZipInfo("x", (2099, 1, 1, 0, 0, 0))
            info.filename, info.external_attr, info.compress_type = name, mode << 16, zipfile.ZIP_DEFLATED
            archive.writestr(info, data)
    return packed.getvalue()


def opened(data: bytes, folder: Path) -> Unpacked:
    file = folder / "archive"
    file.write_bytes(data)
    return unpack(file, folder / "out", lambda name: name.endswith(".yaml"))


def why(data: bytes, folder: Path) -> str:
    with pytest.raises(InputError) as found:
        opened(data, folder)
    assert found.value.code == "RF272"
    return found.value.what


def below(folder: Path) -> list[str]:
    return sorted(str(file.relative_to(folder)) for file in folder.rglob("*") if not file.is_dir())


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_wanted_files_come_out(tmp_path: Path, pack: Callable[..., bytes]) -> None:
    found = opened(pack(FILES), tmp_path)
    assert (found.files, found.left_out, found.newest) == (2, 1, "2099-01-01")
    assert below(tmp_path / "out") == ["orchard/a.yaml", "orchard/deep/b.yaml"]
    assert (tmp_path / "out/orchard/a.yaml").read_bytes() == b"id: a\n"


def test_the_folder_itself_as_a_member_is_no_harm(tmp_path: Path) -> None:
    packed = io.BytesIO()
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.yaml").write_bytes(b"id: a\n")
    with tarfile.open(fileobj=packed, mode="w:gz") as tar:
        tar.add(tmp_path / "in", arcname=".")
    assert opened(packed.getvalue(), tmp_path).files == 1
    assert below(tmp_path / "out") == ["a.yaml"]


@pytest.mark.parametrize("pack", [tar_of, zip_of])
@pytest.mark.parametrize(
    "name",
    ["/etc/a.yaml", "../a.yaml", "b/../../a.yaml", "b//a.yaml", "b/./a.yaml", "..", "b\\..\\a.yaml", "C:/a.yaml",
     "/".join("d" * 40) + "/a.yaml", "n" * 1_100 + ".yaml"],
)  # fmt: skip
def test_names_that_lead_elsewhere_refuse_the_archive(tmp_path: Path, pack: Callable[..., bytes], name: str) -> None:
    told = why(pack({"fine.yaml": b"id: x\n", name: b"id: a\n"}), tmp_path)
    assert any(word in told for word in ("absolute", "elsewhere", "too deep"))
    assert below(tmp_path / "out") == ["fine.yaml"]  # and the caller drops the folder
    assert not (tmp_path / "a.yaml").exists()


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_of_a_tar_refuse_the_archive(tmp_path: Path, kind: bytes) -> None:
    def change(info: tarfile.TarInfo) -> None:
        info.type, info.linkname, info.size = kind, "/etc/hostname", 0

    assert "a link or a device" in why(tar_of({"a.yaml": b""}, change=change), tmp_path)


def test_links_of_a_zip_refuse_the_archive(tmp_path: Path) -> None:
    assert "a link or a device" in why(zip_of({"a.yaml": b"/etc/hostname"}, mode=0o120777), tmp_path)


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_what_unpacks_to_far_too_much_is_refused(tmp_path: Path, pack: Callable[..., bytes]) -> None:
    assert "it unpacks to more than" in why(pack({"a.yaml": bytes(3 << 20)}), tmp_path)


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_too_many_members_are_refused(
    tmp_path: Path, pack: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "MEMBERS_MOST", 2)
    assert why(pack(FILES), tmp_path) == "the archive is refused: more than 2 members"


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_a_file_that_is_too_large_is_left_out(
    tmp_path: Path, pack: Callable[..., bytes], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(room, "FILE_BYTES_MOST", 10)
    assert opened(pack({"a.yaml": b"id: a\n", "b.yaml": b"id: a # and more\n"}), tmp_path).left_out == 1


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_a_name_that_is_a_file_and_a_folder_is_refused(tmp_path: Path, pack: Callable[..., bytes]) -> None:
    assert "damaged" in why(pack({"a.yaml": b"id: a\n", "a.yaml/b.yaml": b"id: b\n"}), tmp_path)


@pytest.mark.parametrize("data", NO_ARCHIVES)
def test_what_is_no_archive_is_refused(tmp_path: Path, data: bytes) -> None:
    why(data, tmp_path)


@pytest.mark.parametrize("pack", [tar_of, zip_of])
def test_half_an_archive_is_refused(tmp_path: Path, pack: Callable[..., bytes]) -> None:
    why(pack(FILES)[:150], tmp_path)


@pytest.mark.parametrize(
    "kind",
    [tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.SOLARIS_XHDTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK],
)
@pytest.mark.parametrize("size", [room.EXTENDED_MOST + 1, 200_000])
def test_an_extended_header_that_is_too_long_is_refused_before_it_is_read(
    tmp_path: Path, kind: bytes, size: int
) -> None:
    info = tarfile.TarInfo("long")
    info.type, info.size = kind, size
    data = info.tobuf(tarfile.USTAR_FORMAT) + b"1" * size + bytes(-size % 512)
    assert f"an extended header of {size:,} bytes" in why(gzip.compress(data + bytes(1024), 1), tmp_path)


def test_a_long_name_of_an_honest_archive_is_read(tmp_path: Path) -> None:
    name = "/".join("d" * 60 for _ in range(8)) + "/ä.yaml"
    for form in (tarfile.PAX_FORMAT, tarfile.GNU_FORMAT):
        packed = io.BytesIO()
        with tarfile.open(fileobj=packed, mode="w:gz", format=form) as tar:
            tar.addfile(tarfile.TarInfo(name))
        folder = tmp_path / str(form)
        folder.mkdir()
        assert opened(packed.getvalue(), folder).files == 1


@pytest.mark.parametrize("pack", [tar_of, zip_of])
@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_no_more_is_not_the_fault_of_the_archive(
    tmp_path: Path, pack: Callable[..., bytes], number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "archive"
    file.write_bytes(pack(FILES))

    def full(*_: object) -> int:
        raise OSError(number, "no more")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OutsideError) as found:
        unpack(file, tmp_path / "out", lambda _: True)
    assert found.value.code == "RF502"


@given(data=st.data())
def test_any_damage_gives_files_inside_the_folder_or_a_reason(
    data: st.DataObject, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("archive")
    whole = bytearray(data.draw(st.sampled_from([tar_of(FILES), zip_of(FILES)])))
    for _ in range(data.draw(st.integers(1, 4))):
        whole[data.draw(st.integers(4, len(whole) - 1))] = data.draw(st.integers(0, 255))
    try:
        opened(bytes(whole), folder)
    except InputError as error:
        assert error.code == "RF272"  # noqa: PT017 - either way is right
    assert {file.name for file in folder.iterdir()} <= {"archive", "out"}
