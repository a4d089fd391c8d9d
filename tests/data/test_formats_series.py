"""Series of the UCR and UEA archives, and NumPy's arrays."""

import io
import re

import numpy as np
import pytest

from elman.core.errors import DataError
from elman.data import formats

HEAD = "# About\n#\n@problemName Toy\n@timeStamps false\n@classLabel true walk run\n@data\n"


@pytest.fixture
def write(tmp_path):
    def put(text, name="toy.ts"):
        path = tmp_path / name
        path.write_text(text, encoding="utf-8")
        return str(path)

    return put


@pytest.fixture
def save(tmp_path):
    def put(**arrays):
        path = tmp_path / "toy.npz"
        np.savez_compressed(path, **arrays)
        return str(path)

    return put


def fault(source):
    with pytest.raises(DataError) as caught:
        formats.read(source)
    return str(caught.value)


def series_of(source):
    return [record.fields["series"].tolist() for record in formats.read(source)]


def labels_of(source):
    return [record.fields.get("label") for record in formats.read(source)]


# .ts


def test_cases_with_channels_of_their_own_lengths(write):
    path = write(HEAD + "1,2,3:4,5.5,-6e-1:walk\n\n 7 , 8:9,?:run\n")
    first, second = formats.read(path)
    assert formats.find(path).name == "series"
    assert first.fields["series"].dtype == np.float64  # -0.6 is none that float32 holds
    assert first.fields["series"].tolist() == [[1, 4], [2, 5.5], [3, pytest.approx(-0.6)]]
    assert (first.fields["label"], first.where) == ("walk", f"{path}:7")
    np.testing.assert_array_equal(second.fields["series"], [[7, 9], [8, np.nan]])
    assert (second.fields["label"], second.where) == ("run", f"{path}:9")


def test_labels(write):
    assert labels_of(write(HEAD + "1:walk\n2:?\n")) == ["walk", None]
    assert labels_of(write("@classLabel false\n@data\n1,2\n")) == [None]
    assert labels_of(write("@targetlabel true\n@data\n1,2:0.5\n3:-1e2\n")) == ["0.5", "-1e2"]


def test_typescript_is_text(write):
    for text in ("#!/usr/bin/env node\nlet a: number = 1;\n", "@Component({})\nclass A {}\n", "// x\n", ""):
        path = write(text)
        assert formats.find(path, ["series", "text"]).name == "text"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2,3:4,5:walk", ":7: expected 3, as many as channel 1 has, got channel 2 with 2 values"),
        ("1:2:walk\n3:walk", ":8: expected 2, got 1 channels"),
        ("1,2:fly", ":7: expected one that @classLabel lists (run, walk), got the label 'fly'"),
        ("1,2\n", ":7: expected channels and a label, separated by colons, got one part"),
        ("1,two:run", ":7: expected a number, or ? where it is missing, got 'two'"),
        ("1,,2:run", ":7: expected a number, or ? where it is missing, got ''"),
        ("1,inf:run", ":7: a number that is infinite at step 2; NaN is a missing value"),
        ("", ": no case after @data"),
    ],
)
def test_broken_case(write, text, message):
    path = write(HEAD + text)
    assert fault(path) == path + message


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("@problemName Toy\n1,2:a\n", ":2: expected a tag such as @classLabel, or @data, got '1,2:a'"),
        ("@problemName Toy\n", ": no line @data; write @data between the head and the cases"),
        ("@dimensions many\n@data\n", ":1: expected a number of channels, got @dimensions many"),
        ("@dimensions 2\n@data\n1,2\n", ":3: expected 2, got 1 channels"),
        (
            "@timeStamps true\n@data\n(0,1):a\n",
            ":1: times beside the values, which are not read; "
            "write the values alone, evenly spaced, and @timeStamps false",
        ),
        (
            "@targetlabel true\n@data\n1,2:a\n",
            ":3: expected a number, or ? where it is missing, got 'a'",
        ),
    ],
)
def test_broken_head(write, text, message):
    path = write(text)
    assert fault(path) == path + message


# .npy, .npz


def test_one_series(tmp_path):
    for array, expected in (([1.0, 2.0], [[1], [2]]), ([[1, 2], [3, 4]], [[1, 2], [3, 4]])):
        path = tmp_path / "one.npy"
        np.save(path, np.array(array))
        (record,) = formats.read(str(path))
        assert record.fields["series"].dtype == np.float32
        assert record.fields["series"].tolist() == expected
        assert record.where == str(path)


@pytest.mark.parametrize("name", ["x", "X", "data", "series", "anything"])
def test_series_of_one_length(save, name):
    path = save(**{name: np.arange(6).reshape(2, 3), "y": np.array(["a", "b"])})
    first, second = formats.read(path)
    assert first.fields["series"].tolist() == [[0], [1], [2]]
    assert (second.fields["label"], second.where) == ("b", f"{path}:case 2")


def test_frames_are_laid_in_rows(save):
    path = save(x=np.arange(24, dtype=np.uint8).reshape(1, 2, 3, 4))
    assert series_of(path) == [[list(range(12)), list(range(12, 24))]]


@pytest.mark.parametrize("key", ["lengths", "x_lengths", "x_len"])
def test_series_of_several_lengths(save, key):
    lengths = {key: np.array([2, 1])}
    assert series_of(save(x=np.array([[1, 2], [3, 4], [5, 6]]), **lengths)) == [[[1, 2], [3, 4]], [[5, 6]]]
    assert series_of(save(x=np.array([1, 2, 3]), **lengths)) == [[[1], [2]], [[3]]]
    padded = np.array([[1, 2, 0], [3, 0, 0]])
    assert series_of(save(x=padded, **lengths)) == [[[1], [2]], [[3]]]


@pytest.mark.parametrize("name", ["y", "Y", "label", "labels", "target", "targets"])
def test_labels_of_arrays(save, name):
    x = np.zeros((2, 3))
    for labels in (np.array([3, 1]), np.array(["é", "b"]), np.array([0.5, 1])):
        assert labels_of(save(x=x, **{name: labels})) == labels.tolist()
    assert labels_of(save(x=x, **{name: np.array(["é".encode(), b"b"])})) == ["é", "b"]
    assert labels_of(save(x_train=x, y_train=np.array([1, 2]), x_test=x[:1], y_test=np.array([3]))) == [1, 2]
    assert labels_of(save(x=x)) == [None, None]


def test_broken_arrays(save, tmp_path):
    x = np.zeros((2, 3))
    objects = "an array of Python objects (pickled); store numbers, or text of dtype str; "
    path = save(x=x, y=np.array(["a", "b"], dtype=object))
    assert fault(path) == f"{path}:y: {objects}series of several lengths behind each other"
    save(x=x, y=np.zeros(3))
    assert fault(path) == f"{path}: expected a label for each of 2 series, got y of shape [3]"
    save(x=x, lengths=np.array([1, 2, 3]))
    assert (
        fault(path) == f"{path}: expected a sum of 2, the first axis of x [2, 3], got 3 lengths that sum to 6"
    )
    save(x=x, lengths=np.array([2, 0]))
    assert fault(path) == f"{path}: expected whole numbers [N] above 0, got lengths of int64 [2]"
    save(x=np.zeros(3))
    assert fault(path) == f"{path}: expected [N, T] or [N, T, C], or `lengths` beside it, got x of shape [3]"
    save(a=np.zeros(3))
    assert fault(path) == f"{path}: expected series [N, T] or [N, T, C] as `x`, or with `lengths`, got a [3]"
    save(x=np.array([["a", "b"]]))
    assert fault(path) == f"{path}:case 1: expected numbers, got an array of <U1"
    save(x=np.array([[1, np.inf]]))
    assert fault(path) == f"{path}:case 1: a number that is infinite at step 2; NaN is a missing value"


def test_files_that_are_none_of_numpys(tmp_path):
    npz, npy = tmp_path / "a.npz", tmp_path / "a.npy"
    npz.write_text("no zip")
    assert fault(str(npz)) == f"{npz}: expected NumPy arrays (.npz), got a file that begins with b'no z'"
    npz.write_bytes(b"PK\x03\x04 cut off")
    assert fault(str(npz)) == f"{npz}: a damaged NumPy file: File is not a zip file; write it again"
    npy.write_text("no array")
    assert fault(str(npy)) == f"{npy}: expected a NumPy array (.npy), got a file that begins with b'no arr'"
    np.save(npy, np.zeros(100))
    npy.write_bytes(npy.read_bytes()[:-8])
    assert re.fullmatch(rf"{npy}: a damaged NumPy file: .*; write it again", fault(str(npy)))
    np.save(npy, np.zeros((0, 3)))
    assert fault(str(npy)) == f"{npy}: expected a series [T] or [T, C], got an array of shape [0, 3]"
    np.save(npy, np.array([1j]))
    assert fault(str(npy)) == f"{npy}: expected numbers, got an array of complex128"


def test_answers_are_json_lines(save):
    out = io.StringIO()
    records = formats.read(save(x=np.zeros((2, 3)), y=np.array([1, 2])))
    formats.FORMATS["arrays"].write([(record, {"prediction": "a"}) for record in records], out)
    assert out.getvalue() == '{"label": 1, "prediction": "a"}\n{"label": 2, "prediction": "a"}\n'


@pytest.mark.parametrize(
    ("y", "labels"),
    [
        ([[0, 1], [1, 0], [1, 0]], [1, 0, 0]),
        ([[0.0, 1.0], [1.0, 1.0], [0.0, 0.0]], [[1], [0, 1], []]),
        ([[3], [4], [4]], [3, 4, 4]),
        ([["a"], ["b"], ["b"]], ["a", "b", "b"]),
    ],
)
def test_labels_of_two_axes(save, y, labels):
    records = formats.read(save(x=np.zeros((3, 5)), y=np.array(y)))
    assert [record.fields["label"] for record in records] == labels


def test_labels_of_two_axes_with_other_numbers_are_refused(save):
    path = save(x=np.zeros((2, 5)), y=np.array([[0.5, 2], [1, 1]]))
    assert fault(path) == (
        f"{path}: y of shape [2, 2] with other numbers than 0 and 1; "
        "give a label for each series [N], or a column of 0 and 1 for each class [N, K]"
    )
