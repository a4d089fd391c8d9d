"""Sound: each coding of a WAV as written, features against plain loops, each broken file's message."""

import math
import struct
from importlib.util import find_spec

import numpy as np
import pytest
import torch

from elman.core import optional
from elman.core.errors import ConfigError, DataError
from elman.inputs.signals import audio

CONVERT = "convert it, for example: ffmpeg -i IN -ac 1 -c:a pcm_s16le OUT.wav"
AGAIN = "the file is incomplete: copy or download it again"


def chunk(name, body):
    return name + struct.pack("<I", len(body)) + body + b"\0" * (len(body) % 2)


def wav(body, *, codec=1, channels=1, rate=8000, bits=16, extra=b"", before=b""):
    block = channels * bits // 8
    form = struct.pack("<HHIIHH", codec, channels, rate, rate * block, block, bits) + extra
    inside = b"WAVE" + before + chunk(b"fmt ", form) + chunk(b"data", body)
    return b"RIFF" + struct.pack("<I", len(inside)) + inside


def fault(path):
    with pytest.raises(DataError) as caught:
        audio.read(path)
    return str(caught.value)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "word.wav"


@pytest.fixture
def sound():
    return torch.randn(1234, generator=torch.Generator().manual_seed(1)) * 0.2


def tone(hertz, rate, seconds):
    return torch.sin(
        2 * math.pi * hertz * torch.arange(round(rate * seconds), dtype=torch.float64) / rate
    ).float()


# Reading


@pytest.mark.parametrize(
    ("bits", "codec", "body", "values"),
    [
        (8, 1, bytes([0, 128, 192]), [-1, 0, 0.5]),
        (16, 1, struct.pack("<3h", -32768, 16384, 1), [-1, 0.5, 2**-15]),
        (24, 1, b"\x00\x00\x80" + b"\x00\x00\x40" + b"\x01\x00\x00", [-1, 0.5, 2**-23]),
        (32, 1, struct.pack("<3i", -(2**31), 2**30, 256), [-1, 0.5, 2**-23]),
        (32, 3, struct.pack("<3f", -1, 0.25, 1.5), [-1, 0.25, 1.5]),
        (64, 3, struct.pack("<3d", -1, 0.25, 1.5), [-1, 0.25, 1.5]),
    ],
)
def test_codings(path, bits, codec, body, values):
    path.write_bytes(wav(body, codec=codec, bits=bits, rate=11025))
    samples, rate = audio.read(path)
    assert rate == 11025
    assert samples.dtype == torch.float32
    assert samples.tolist() == values


def test_channels_become_their_mean(path):
    path.write_bytes(wav(struct.pack("<4h", 8192, 16384, -8192, 0), channels=2))
    assert audio.read(path)[0].tolist() == [0.375, -0.125]


def test_extensible_format_and_other_chunks(path):
    extra = struct.pack("<HHIH", 22, 16, 0, 1) + b"\x00\x00\x00\x00\x10\x00\x80\x00\x00\xaa\x008\x9bq"
    path.write_bytes(wav(struct.pack("<h", 16384), codec=0xFFFE, extra=extra, before=chunk(b"LIST", b"odd")))
    assert audio.read(str(path))[0].tolist() == [0.5]


def test_size_that_a_stream_did_not_know(path):
    content = wav(struct.pack("<2h", 16384, -16384))
    path.write_bytes(content[:40] + b"\xff\xff\xff\xff" + content[44:])
    assert audio.read(path)[0].tolist() == [0.5, -0.5]


def test_as_the_standard_library_writes_it(path):
    import wave

    values = np.random.default_rng(1).integers(-32768, 32768, 99).astype("<i2")
    with wave.open(str(path), "wb") as file:
        file.setparams((1, 2, 8000, 0, "NONE", ""))
        file.writeframes(values.tobytes())
    assert audio.read(path)[0].tolist() == (values / 32768).tolist()


@pytest.mark.skipif(find_spec("soundfile") is None, reason="takes the extra `audio`")
@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_flac_and_ogg(tmp_path, suffix):
    import soundfile

    path, samples = tmp_path / f"word{suffix}", (tone(440, 8000, 0.5) * 0.5)
    soundfile.write(path, samples.numpy(), 8000)
    read, rate = audio.read(path)
    assert rate == 8000
    assert read.shape == samples.shape
    error = (read - samples).square().mean().sqrt()
    assert error < (2**-15 if suffix == ".flac" else 0.02)


@pytest.mark.skipif(find_spec("soundfile") is None, reason="takes the extra `audio`")
def test_flac_that_is_none(tmp_path):
    path = tmp_path / "word.flac"
    path.write_bytes(b"fLaC, it says")
    message = fault(path)
    assert message.startswith(f"{path}: expected sound (.wav, .wave, .flac, ")
    assert message.endswith(f"; {CONVERT}")


def test_without_soundfile(tmp_path, monkeypatch):
    path = tmp_path / "word.flac"
    path.write_bytes(b"fLaC")
    monkeypatch.setattr(optional, "find_spec", lambda name: None)
    assert fault(path) == (
        f"{path}: sound that only soundfile reads, which is not installed; "
        f"pip install 'elman[audio]', or {CONVERT}"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", f"expected a WAV file (RIFF....WAVE), got an empty file; {CONVERT}"),
        (
            b"ID3\x04 song, not sound",
            f"expected a WAV file (RIFF....WAVE), got a file that begins with b'ID3\\x04 song, n'; {CONVERT}",
        ),
        (wav(b"\0\0" * 9)[:-5], f"expected 18 bytes of sound, got 13 bytes; {AGAIN}"),
        (wav(b"\0\0" * 9)[:36], f"expected a data chunk, got no sound in it; {AGAIN}"),
        (wav(b""), "expected one sample or more, got no samples; leave this file out"),
        (
            wav(b"\0\0\0"),
            f"expected a multiple of 2, a step of all channels, got 3 bytes of sound; {AGAIN}",
        ),
        (
            wav(b"\0\0", codec=7, bits=8),
            f"expected PCM of 8, 16, 24 or 32 bits or float of 32 or 64, got mu-law of 8 bits; {CONVERT}",
        ),
        (
            wav(b"\0\0", codec=0x1234),
            "expected PCM of 8, 16, 24 or 32 bits or float of 32 or 64, "
            f"got codec 0x1234 of 16 bits; {CONVERT}",
        ),
        (
            wav(b"\0\0", bits=12),
            f"expected PCM of 8, 16, 24 or 32 bits or float of 32 or 64, got PCM of 12 bits; {CONVERT}",
        ),
        (wav(b"\0\0", channels=0), f"expected 1 or more of both, got 0 channels at 8000 Hz; {CONVERT}"),
        (
            b"RIFF\x20\0\0\0WAVE" + chunk(b"data", b"\0\0"),
            f"expected a fmt chunk before it, got sound before any format; {CONVERT}",
        ),
        (
            b"RIFF\x20\0\0\0WAVE" + chunk(b"fmt ", b"\1\0\1\0"),
            f"expected 16 or more, got 4 bytes of format; {AGAIN}",
        ),
        (
            wav(struct.pack("<2f", 0, math.nan), codec=3, bits=32),
            "expected sound, got a sample that is not finite; make the file anew",
        ),
    ],
)
def test_broken_wav(path, content, message):
    path.write_bytes(content)
    assert fault(path) == f"{path}: {message}"


@pytest.mark.parametrize("name", ["gone.wav", "gone.flac"])
def test_file_that_is_not_there(tmp_path, name):
    path = tmp_path / name
    assert fault(path) == f"{path}: cannot be read: No such file or directory; check the path and the disk"


# Another rate


@pytest.mark.parametrize(
    ("rate", "to"), [(8000, 16000), (16000, 8000), (44100, 16000), (22050, 8000), (8000, 44100)]
)
def test_resampling_keeps_a_tone(rate, to):
    for hertz in (50, 440, 3000):
        made, true = audio.resample(tone(hertz, rate, 0.5), rate, to), tone(hertz, to, 0.5)
        assert made.shape == true.shape
        edge = to // 20  # where the sound begins and ends at once there are all frequencies
        torch.testing.assert_close(made[edge:-edge], true[edge:-edge], rtol=0, atol=2e-4)


def test_resampling_takes_out_what_is_too_high():
    assert audio.resample(tone(5000, 16000, 1.0), 16000, 8000)[400:-400].abs().max() < 2e-4


def test_resampling_by_the_formula(sound):
    """Each output by its sum, in float64."""
    rate, to = 9, 7
    cut = 0.94 * to / rate
    made = audio.resample(sound[:200], rate, to)
    assert len(made) == math.ceil(200 * to / rate)
    for n in (0, 1, 60, 100, 155):
        away = np.arange(200) - n * rate / to
        span = 1 - (away * cut / 24) ** 2
        window = np.where(span > 0, np.i0(9 * np.sqrt(np.maximum(span, 0))), 0) / np.i0(9)
        weights = cut * np.sinc(cut * away) * window
        assert float(made[n]) == pytest.approx(float(weights @ sound[:200].double().numpy()), abs=1e-4)


def test_resampling_in_parts_is_as_in_one(sound, monkeypatch):
    whole = audio.resample(sound, 16000, 11025)
    monkeypatch.setattr(audio, "_BLOCK", 100)
    torch.testing.assert_close(audio.resample(sound, 16000, 11025), whole, rtol=0, atol=0)


def test_same_rate_is_the_same_sound(sound):
    assert audio.resample(sound, 8000, 8000) is sound


# Features


def plain_log_mel(samples, rate, bands, window, hop, low, high):
    """As it is written in the books: float64, a loop over frames, bands and bins."""
    length, step = round(window * rate), round(hop * rate)
    size = 1
    while size < length:
        size *= 2
    x = np.zeros(max(length, len(samples)))
    x[: len(samples)] = samples
    hann = [0.5 - 0.5 * math.cos(2 * math.pi * n / length) for n in range(length)]
    mel = [2595 * math.log10(1 + f / 700) for f in (low, high)]
    corners = [
        700 * (10 ** ((mel[0] + (mel[1] - mel[0]) * k / (bands + 1)) / 2595) - 1) for k in range(bands + 2)
    ]
    out = []
    for start in range(0, len(x) - length + 1, step):
        energy = np.abs(np.fft.fft(x[start : start + length] * hann, size)) ** 2
        row = []
        for left, peak, right in zip(corners, corners[1:], corners[2:], strict=False):
            total = 0.0
            for k in range(size // 2 + 1):
                f = k * rate / size
                if left < f <= peak:
                    total += energy[k] * (f - left) / (peak - left)
                elif peak < f < right:
                    total += energy[k] * (right - f) / (right - peak)
            row.append(math.log(max(1e-10, total)))
        out.append(row)
    return np.array(out)


@pytest.mark.parametrize(
    ("rate", "settings"),
    [
        (8000, {}),
        (8000, {"bands": 20, "window": 0.032, "hop": 0.016, "low": 100.0, "high": 3000.0}),
        (16000, {"window": 0.02, "hop": 0.02}),
    ],
)
def test_log_mel_against_a_plain_loop(sound, rate, settings):
    full = {"bands": 40, "window": 0.025, "hop": 0.010, "low": 20.0, "high": rate / 2} | settings
    made, true = audio.log_mel(sound, rate, **settings), plain_log_mel(sound.double().numpy(), rate, **full)
    assert made.dtype == torch.float32
    torch.testing.assert_close(made, torch.from_numpy(true).float(), rtol=1e-4, atol=1e-4)


def test_mfcc_against_a_plain_loop(sound):
    energies = plain_log_mel(sound.double().numpy(), 8000, 26, 0.025, 0.010, 20.0, 4000.0)
    true = np.zeros((len(energies), 13))
    for t, row in enumerate(energies):
        for k in range(13):
            scale = math.sqrt((1 if k == 0 else 2) / 26)
            true[t, k] = scale * sum(e * math.cos(math.pi * k * (m + 0.5) / 26) for m, e in enumerate(row))
    made = audio.mfcc(sound, 8000, bands=26)
    torch.testing.assert_close(made, torch.from_numpy(true).float(), rtol=1e-4, atol=1e-4)


def test_mfcc_of_all_bands_loses_nothing(sound):
    energies, all_of_them = audio.log_mel(sound, 8000, bands=12), audio.mfcc(sound, 8000, count=12, bands=12)
    torch.testing.assert_close(all_of_them.norm(dim=1), energies.norm(dim=1))


def test_a_tone_is_loudest_in_its_band():
    for hertz, rate in ((300, 8000), (1500, 8000), (6000, 16000)):
        loudest = int(audio.log_mel(tone(hertz, rate, 0.3), rate).mean(0).argmax())
        corners = np.linspace(*(2595 * math.log10(1 + f / 700) for f in (20, rate / 2)), 42)
        left, right = (700 * (10 ** (corners[loudest + k] / 2595) - 1) for k in (0, 2))
        assert left < hertz < right


@pytest.mark.parametrize(("samples", "steps"), [(1, 1), (200, 1), (279, 1), (280, 2), (1000, 11)])
def test_frames(samples, steps):
    assert audio.log_mel(torch.ones(samples), 8000).shape == (steps, 40)
    assert audio.mfcc(torch.ones(samples), 8000).shape == (steps, 13)


def test_silence_is_finite():
    assert audio.log_mel(torch.zeros(400), 8000).eq(math.log(1e-10)).all()


def test_no_band_is_empty_however_many():
    energies = audio.log_mel(torch.randn(4000, generator=torch.Generator().manual_seed(1)), 8000, bands=200)
    assert (energies > math.log(1e-10)).all()


def test_deltas_by_the_formula():
    x = torch.randn(7, 3, generator=torch.Generator().manual_seed(1))
    made = audio.deltas(x)
    for t in range(7):
        at = [x[min(max(t + k, 0), 6)] for k in (-2, -1, 1, 2)]
        torch.testing.assert_close(made[t], ((at[2] - at[1]) + 2 * (at[3] - at[0])) / 10)
    line = torch.arange(9.0)[:, None] * 3
    assert audio.deltas(line, 1)[1:-1].eq(3).all()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda x: audio.log_mel(x, 8000, bands=0), "bands: expected 1 or more, got 0"),
        (lambda x: audio.log_mel(x, 8000, hop=0.0), "hop: expected a sample or more, at 8000 Hz, got 0 s"),
        (
            lambda x: audio.log_mel(x, 8000, high=8000),
            "low and high: expected 0 <= low < high <= 4000 Hz, half the rate, got 20 and 8000 Hz",
        ),
        (lambda x: audio.mfcc(x, 8000, count=41), "count: expected from 1 to bands = 40, got 41"),
        (lambda x: audio.deltas(x[:, None], 0), "reach: expected 1 step or more, got 0"),
        (lambda x: audio.resample(x, 8000, 0), "to: expected 1 sample a second or more, got 0"),
    ],
)
def test_settings_out_of_bounds(sound, call, message):
    with pytest.raises(ConfigError) as caught:
        call(sound)
    assert str(caught.value) == message
