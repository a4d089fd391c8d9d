"""Pictures of idx files, and folders of classes."""

import gzip

import numpy as np
import pytest

from elman.core.errors import DataError
from elman.core.records import Record
from elman.data import formats


def fault(source, name="auto"):
    with pytest.raises(DataError) as caught:
        formats.read(str(source), name=name)
    return str(caught.value)


# idx


def idx(*shape, kind=8):
    data = bytes(range(int(np.prod(shape))))
    return bytes((0, 0, kind, len(shape))) + b"".join(size.to_bytes(4, "big") for size in shape) + data


@pytest.fixture
def pictures(tmp_path):
    """Three pictures of 2 by 4, and their labels beside them."""
    path = tmp_path / "train-images-idx3-ubyte"
    path.write_bytes(idx(3, 2, 4))
    (tmp_path / "train-labels-idx1-ubyte").write_bytes(idx(3))
    return path


def check(path):
    records = formats.read(str(path))
    assert [record.fields["label"] for record in records] == [0, 1, 2]
    assert records[0].fields["picture"].dtype == np.uint8
    assert records[0].fields["picture"].flags.writeable
    assert records[1].fields["picture"].tolist() == [[8, 9, 10, 11], [12, 13, 14, 15]]
    assert records[1].where == f"{path}:case 2"


def test_pictures_and_labels(pictures):
    check(pictures)


@pytest.mark.parametrize("zipped", ["images", "labels"])
def test_pictures_in_gzip(pictures, zipped):
    for path in list(pictures.parent.iterdir()):
        if zipped in path.name:
            path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
            path.unlink()
    check(next(pictures.parent.glob("*images*")))


def test_other_names_of_idx_files(pictures):
    for path in list(pictures.parent.iterdir()):
        path.rename(path.with_name(path.name.replace("-idx", ".idx")))
    check(next(pictures.parent.glob("*images*")))


def test_pictures_without_labels(pictures):
    pictures.with_name("train-labels-idx1-ubyte").unlink()
    assert [list(record.fields) for record in formats.read(str(pictures))] == [["picture"]] * 3


def test_broken_idx(pictures):
    labels = pictures.with_name("train-labels-idx1-ubyte")
    labels.write_bytes(idx(4))
    assert fault(pictures) == f"{labels}: expected 3, one for each picture, got 4 labels"
    labels.write_bytes(idx(3, 1))
    assert fault(pictures) == (
        f"{labels}: expected labels: bytes (0x08) with 1 axes, got an idx file of type 0x08 with 2 axes"
    )
    pictures.write_bytes(idx(3, 2, 4)[:-1])
    assert fault(pictures) == f"{pictures}: expected 40 for [3, 2, 4], got 39 bytes; fetch it again"
    pictures.write_bytes(idx(3, 2, 4)[:9])
    assert fault(pictures) == f"{pictures}: expected 16 for [3, 0, 0], got 9 bytes; fetch it again"
    pictures.write_bytes(idx(3, 2, 4, kind=13))
    assert fault(pictures) == (
        f"{pictures}: expected pictures: bytes (0x08) with 3 axes, got an idx file of type 0x0D with 3 axes"
    )
    for data in (b"", b"\x89PNG"):
        pictures.write_bytes(data)
        assert fault(pictures) == f"{pictures}: expected an idx file, got a file that begins with {data!r}"
    pictures.write_bytes(idx(0, 2, 4))
    labels.write_bytes(idx(0))
    assert fault(pictures) == f"{pictures}: no record in it (format idx)"


# Classes


@pytest.fixture
def put(tmp_path):
    """Writes files into a folder and gives it."""

    def write(*names, data=b"x"):
        folder = tmp_path / "data"
        for name in names:
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_bytes(data)
        return folder

    return write


def test_file_of_lines_per_class(put):
    folder = put("Dutch.txt", data=b"Aalst\n\nAart \r\n")
    put("Czech.txt", data="Ábel\n".encode())
    put("README.md", "LICENSE", ".hidden.txt", data=b"no")
    assert formats.find(str(folder), ["classes", "text"]).name == "classes"
    assert formats.read(str(folder), name="classes") == [
        Record({"text": "Ábel", "label": "Czech"}, f"{folder}/Czech.txt:1"),
        Record({"text": "Aalst", "label": "Dutch"}, f"{folder}/Dutch.txt:1"),
        Record({"text": "Aart", "label": "Dutch"}, f"{folder}/Dutch.txt:3"),
    ]


def test_folder_of_texts_per_class(put):
    folder = put("pos/1.txt", "pos/2", "neg/1.txt", ".git/config", data=b"two\r\nlines\n")
    put("README.md", "train.csv")
    assert formats.find(str(folder)).name == "text"
    assert formats.find(str(folder), ["classes"]).name == "classes"
    assert formats.read(str(folder), name="classes") == [
        Record({"text": "two\nlines\n", "label": label}, f"{folder}/{label}/{name}")
        for label, name in (("neg", "1.txt"), ("pos", "1.txt"), ("pos", "2"))
    ]


@pytest.mark.parametrize(
    ("suffix", "field"),
    [
        *((s, "audio") for s in ("wav", "FLAC", "ogg")),
        *((s, "picture") for s in ("png", "JPG", "jpeg", "bmp", "gif")),
    ],
)
def test_folder_of_media_per_class(put, suffix, field):
    folder = put(f"b/2.{suffix}", f"b/1.{suffix}", f"a/1.{suffix}", "README.md")
    assert formats.find(str(folder)).name == "classes"
    assert [(record.fields, record.where) for record in formats.read(str(folder))] == [
        ({field: f"{folder}/{name}.{suffix}", "label": name[0]}, f"{folder}/{name}.{suffix}")
        for name in ("a/1", "b/1", "b/2")
    ]


def test_folder_of_arrays_per_class(put):
    folder = put("a/1.npy", "b/1.npy")
    for path in folder.rglob("*.npy"):
        np.save(path, np.array([1.0, 2.0]))
    assert formats.find(str(folder)).name == "classes"
    records = formats.read(str(folder))
    assert [record.fields["label"] for record in records] == ["a", "b"]
    assert records[0].fields["series"].tolist() == [[1], [2]]


def test_folder_of_frames_per_video(put):
    folder = put("wave/v2/f10.png", "wave/v2/f2.png", "wave/v10/1.png", "nod/v1/1.png")
    assert formats.find(str(folder)).name == "classes"
    assert formats.read(str(folder)) == [
        Record({"frames": [f"{folder}/nod/v1/1.png"], "label": "nod"}, f"{folder}/nod/v1"),
        Record({"frames": [f"{folder}/wave/v10/1.png"], "label": "wave"}, f"{folder}/wave/v10"),
        Record(
            {"frames": [f"{folder}/wave/v2/f2.png", f"{folder}/wave/v2/f10.png"], "label": "wave"},
            f"{folder}/wave/v2",
        ),
    ]


def test_code_with_some_pictures_is_text(put):
    folder = put("docs/logo.png", "src/a.py", "src/b.py")
    assert formats.find(str(folder)).name == "text"


def test_kinds_that_differ(put):
    folder = put("a/1.wav", "b/1.txt")
    remedy = "keep one kind of input in a data set"
    assert (
        fault(folder, "classes") == f"{folder}/b/1.txt: expected audio, got an input of kind text; {remedy}"
    )
    put("a/v/1.png")
    assert fault(folder, "classes") == f"{folder}/a/v: expected audio, got an input of kind frames; {remedy}"


def test_class_without_input(put):
    folder = put("a/1.wav", "b/1.wav", "b/.hidden")
    (folder / "b" / "1.wav").unlink()
    message = "a class without input; add files to the folder, or remove it"
    assert fault(folder, "classes") == f"{folder}/b: {message}"
    folder = put("lines/a.txt", data=b"one\n") / "lines"
    put("lines/b.txt", data=b" \n")
    assert fault(folder, "classes") == (
        f"{folder}/b.txt: a class without input; write one input a line, or remove the file"
    )


def test_too_few_classes(put):
    folder = put("a/1.wav")
    expected = "expected two classes or more, each a folder or a text file, got"
    remedy = "to read files that a table lists, name the table"
    assert fault(folder, "classes") == f"{folder}: {expected} 1 of them; {remedy}"
    assert fault(folder / "a", "classes") == f"{folder}/a: {expected} 1 of them; {remedy}"
    (folder / "empty").mkdir()
    assert fault(folder / "empty", "classes") == f"{folder}/empty: {expected} an empty folder; {remedy}"


def test_files_that_are_no_classes(put):
    folder = put("1.wav", "2.wav")
    assert fault(folder, "classes") == (
        f"{folder}/1.wav: expected a folder per class, or a text file per class, got a file that "
        "is not text; put it in its class's folder"
    )
    assert formats.find(str(folder)).name == "media"


def test_videos_with_something_else(put):
    folder = put("a/v/1.png", "b/v/1.txt")
    expected = "expected the frames of one video, all of them pictures, got"
    assert fault(folder, "classes") == f"{folder}/b/v: {expected} '1.txt'"
    (folder / "b" / "v" / "1.txt").unlink()
    assert fault(folder, "classes") == f"{folder}/b/v: {expected} an empty folder"


def test_folder_that_is_no_folder(put):
    folder = put("a.txt")
    path = folder / "a.txt"
    assert fault(path, "classes") == f"{path}: cannot be read: Not a directory; check the path and the disk"
    assert fault(folder / "b", "classes").startswith(f"{folder}/b: no such file or folder")
