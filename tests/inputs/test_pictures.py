"""Pictures: what a file becomes in each mode, the order of rows and pixels, each broken file's message."""

import numpy as np
import pytest

from elman.core import optional
from elman.core.errors import ConfigError, DataError
from elman.inputs.signals import images

Image = pytest.importorskip("PIL.Image", reason="takes the extra `image`")

REMEDY = "check the path, make the file anew, or leave it out"


@pytest.fixture
def path(tmp_path):
    return tmp_path / "sign.png"


@pytest.fixture
def rng():
    return np.random.default_rng(1)


def fault(call, kind=DataError):
    with pytest.raises(kind) as caught:
        call()
    return str(caught.value)


def save(array, path, mode=None):
    image = Image.fromarray(array)
    (image.convert(mode) if mode else image).save(path)


# Reading


@pytest.mark.parametrize("shape", [(5, 7), (5, 7, 3)])
def test_as_it_was_written(path, rng, shape):
    array = rng.integers(0, 256, shape).astype(np.uint8)
    save(array, path)
    read = images.read(path)
    assert read.dtype == np.uint8
    assert np.array_equal(read, array)
    assert np.array_equal(images.read(str(path), color=None), array)


def test_color_and_grey(path, rng):
    array = rng.integers(0, 256, (5, 7, 3)).astype(np.uint8)
    save(array, path)
    grey = images.read(path, color=False)
    assert grey.shape == (5, 7)
    assert np.abs(grey - array @ [0.299, 0.587, 0.114]).max() <= 1
    save(grey, path)
    assert np.array_equal(images.read(path, color=True), np.stack([grey] * 3, -1))


def test_transparent_parts_are_white(path):
    array = np.array([[[10, 20, 30, 255], [10, 20, 30, 0]]], np.uint8)
    save(array, path)
    assert images.read(path).tolist() == [[[10, 20, 30], [255, 255, 255]]]
    save(array, path, "LA")
    assert images.read(path).tolist() == [[18, 255]]


def test_black_and_white_and_palettes(path):
    array = np.array([[0, 255, 0], [255, 255, 0]], np.uint8)
    save(array, path, "1")
    assert np.array_equal(images.read(path), array)
    save(np.stack([array] * 3, -1), path, "P")
    assert np.array_equal(images.read(path), np.stack([array] * 3, -1))


def test_sixteen_bits(path):
    save(np.array([[0, 255, 256, 65535]], np.uint16), path)
    assert images.read(path).tolist() == [[0, 0, 1, 255]]
    assert images.read(path, color=True).shape == (1, 4, 3)


def test_upright(path, rng):
    array = rng.integers(0, 256, (5, 7)).astype(np.uint8)
    turned = Image.Exif()
    turned[0x0112] = 6  # the camera was held on its side
    Image.fromarray(array).save(path, exif=turned)
    assert np.array_equal(images.read(path), np.rot90(array, -1))


def test_size(path, rng):
    array = np.kron(rng.integers(0, 256, (2, 3)), np.ones((4, 4))).astype(np.uint8)
    save(array, path)
    assert images.read(path, (5, 6)).shape == (5, 6)
    assert np.array_equal(images.read(path, (8, 12)), array)
    flat = np.full((6, 9, 3), 77, np.uint8)
    assert np.array_equal(images.resize(flat, (2, 4)), np.full((2, 4, 3), 77))
    assert images.resize(np.array([[0, 100]], np.uint8), (1, 1)).tolist() == [[50]]


@pytest.mark.parametrize(
    ("content", "got"),
    [
        (
            b"",
            "expected one of .png, .jpg, .jpeg, .bmp, .gif, .webp, .tif, .tiff, .pgm, .ppm, got no picture",
        ),
        (
            b"no picture",
            "expected one of .png, .jpg, .jpeg, .bmp, .gif, .webp, .tif, .tiff, .pgm, .ppm, got no picture",
        ),
    ],
)
def test_no_picture(path, content, got):
    path.write_bytes(content)
    assert fault(lambda: images.read(path)) == f"{path}: {got}; {REMEDY}"


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".gif", ".bmp"])
@pytest.mark.parametrize("share", [0.3, 0.6, 0.9])
def test_truncated(tmp_path, rng, suffix, share):
    path = tmp_path / f"sign{suffix}"
    save(rng.integers(0, 256, (40, 40)).astype(np.uint8), path)
    content = path.read_bytes()
    path.write_bytes(content[: round(share * len(content))])
    message = fault(lambda: images.read(path))
    assert message.startswith(f"{path}: ")
    assert message.endswith(f"; {REMEDY}")


def test_file_that_is_not_there(path):
    assert fault(lambda: images.read(path)) == f"{path}: cannot be read: No such file or directory; {REMEDY}"


def test_without_pillow(path, monkeypatch):
    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    assert fault(lambda: images.read(path)) == (
        f"{path}: a picture, which takes Pillow, and that is not installed; pip install 'elman[image]'"
    )


# As sequences


def test_rows_and_pixels():
    grey = np.array([[0, 51], [102, 255]], np.uint8)
    assert np.allclose(images.rows(grey), [[0, 0.2], [0.4, 1]])
    assert np.allclose(images.pixels(grey), [[0], [0.2], [0.4], [1]])
    colored = np.arange(12, dtype=np.uint8).reshape(2, 2, 3)
    assert np.allclose(images.rows(colored) * 255, np.arange(12).reshape(2, 6))
    assert np.allclose(images.pixels(colored) * 255, np.arange(12).reshape(4, 3))
    assert images.rows(grey).dtype == images.pixels(grey).dtype == np.float32


def test_frames(tmp_path, rng):
    film = rng.integers(0, 256, (3, 4, 6, 3)).astype(np.uint8)
    paths = [tmp_path / f"{at}.png" for at in range(3)]
    for frame, path in zip(film, paths, strict=True):
        save(frame, path)
    assert np.array_equal(images.read_frames(paths), film)
    assert np.allclose(images.frames(film), film.reshape(3, -1) / 255)
    assert images.frames(film).dtype == np.float32
    small = images.frames(film, (2, 3))
    assert np.array_equal(small, images.frames(images.read_frames(paths, (2, 3))))
    assert small.shape == (3, 18)


def test_frames_that_differ(tmp_path):
    paths = [tmp_path / "a.png", tmp_path / "b.png"]
    save(np.zeros((3, 4), np.uint8), paths[0])
    save(np.zeros((3, 5, 3), np.uint8), paths[1])
    assert fault(lambda: images.read_frames(paths)) == (
        f"{paths[1]}: expected 3 x 4 pixels in grey, as the others have, got 3 x 5 pixels in 3 channels; "
        "set the size, and whether in colour, to which all are brought"
    )
    assert images.read_frames(paths, (3, 4), color=False).shape == (2, 3, 4)
    assert fault(lambda: images.read_frames([])) == "frames of a film: expected one or more, got no picture"


@pytest.mark.parametrize(
    ("call", "expected"),
    [
        (lambda: images.rows(np.zeros((2, 2))), "uint8 [H, W] or [H, W, C], got float64 [2, 2]"),
        (lambda: images.pixels(np.zeros(4, np.uint8)), "uint8 [H, W] or [H, W, C], got uint8 [4]"),
        (
            lambda: images.frames(np.zeros((2, 2), np.uint8)),
            "uint8 [T, H, W] or [T, H, W, C], got uint8 [2, 2]",
        ),
    ],
)
def test_arrays_that_are_no_pictures(call, expected):
    remedy = "give what `read` returns; values that are not pixels can be given as a series"
    assert fault(call) == f"picture: expected {expected}; {remedy}"


def test_size_out_of_bounds():
    message = fault(lambda: images.resize(np.zeros((2, 2), np.uint8), (0, 2)), ConfigError)
    assert message == "size: expected 1 x 1 or more, got 0 x 2"
