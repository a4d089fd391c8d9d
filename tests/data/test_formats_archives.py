"""Archives of several files are read as the folders that they hold."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path

import pytest

from elman.core.errors import DataError
from elman.data.formats import archives, folders, registry

TABLE = "text,label\n" + "".join(f"so {word} it was,{word}\n" for word in ("good", "bad"))
SPLITS = {"train.csv": TABLE, "valid.csv": TABLE, "test.csv": TABLE, "README.md": "about"}
CLASSES = {"names/Czech/1.txt": "Novák", "names/Dutch/1.txt": "Aaldenberg", "names/Dutch/2.txt": "Bakker"}


def packed(path: Path, files: dict[str, str]) -> str:
    if path.name.endswith(".zip"):
        with zipfile.ZipFile(path, "w") as archive:
            for name, text in files.items():
                archive.writestr(name, text)
    else:
        with tarfile.open(path, "w:" + path.suffix[1:].replace("tgz", "gz").replace("tar", "")) as archive:
            for name, text in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(text.encode())
                archive.addfile(member, io.BytesIO(text.encode()))
    return str(path)


@pytest.fixture(params=["a.zip", "a.tar", "a.tar.gz", "a.tgz", "a.tar.xz"])
def path(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    return tmp_path / request.param


def test_files_for_each_part(path):
    source = packed(path, SPLITS)
    assert folders.parts(source) == tuple(f"{source}/{name}.csv" for name in ("train", "valid", "test"))
    assert [record.fields["label"] for record in registry.read(f"{source}/test.csv")] == ["good", "bad"]
    assert registry.exists(f"{source}/test.csv")
    assert not registry.exists(f"{source}/none.csv")


def test_a_folder_for_each_class(path):
    records = registry.read(packed(path, CLASSES), among=("classes",))
    assert [record.fields["label"] for record in records] == ["Czech", "Dutch", "Dutch"]


def test_tables_of_one_kind_are_one_table(path):
    source = packed(path, {"logs/1.csv": TABLE, "logs/2.csv": TABLE})
    assert len(registry.read(source)) == 4
    assert len(registry.read(f"{source}/*.csv")) == 4


def test_one_file_is_that_file(path):
    assert len(registry.read(packed(path, {"data.csv": TABLE, "__MACOSX/data.csv": "x"}))) == 2


@pytest.mark.parametrize("name", ["../x.csv", "/x.csv", "a/../../x.csv", "..\\x.csv"])
def test_no_entry_leads_out(path, name):
    source = packed(path, {"a.csv": TABLE, name: TABLE})
    with pytest.raises(DataError, match="an entry that leads out of it"):
        registry.read(source)
    assert {each.name for each in path.parent.iterdir()} == {path.name}


def test_links_are_left_out(tmp_path):
    path = tmp_path / "a.tar"
    packed(path, {"a.csv": TABLE, "b.csv": TABLE})
    with tarfile.open(path, "a") as archive:
        link = tarfile.TarInfo("c.csv")
        link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
        archive.addfile(link)
    assert len(registry.read(str(path))) == 4


def test_no_more_is_unpacked_than_is_likely(path, monkeypatch):
    monkeypatch.setattr(archives, "most_bytes", lambda size: 10)
    source = packed(path, {"a.csv": TABLE, "b.csv": TABLE})
    with pytest.raises(DataError, match=r"unpack to more than 10, .*; if that is right, unpack it"):
        registry.read(source)


def test_damage_is_told(path):
    packed(path, SPLITS)
    path.write_bytes(path.read_bytes()[:60])
    with pytest.raises(DataError, match="damaged"):
        registry.read(str(path))
