"""Sound as sequences: a file becomes samples, samples become features, step by step in time.

WAV is read here; FLAC, OGG, MP3 and AIFF by soundfile, which is an extra. Independent of models and tasks.
"""

from __future__ import annotations

import math
import struct
from itertools import count, takewhile
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from elman.core import optional
from elman.core.errors import ConfigError, DataError

SUFFIXES = (".wav", ".wave", ".flac", ".ogg", ".oga", ".opus", ".mp3", ".aif", ".aiff")
"""The ends of the names of sound files, in lower case; all but the first two take soundfile."""

_CODECS = {2: "ADPCM", 6: "A-law", 7: "mu-law", 0x11: "IMA ADPCM", 0x31: "GSM", 0x50: "MPEG", 0x55: "MP3"}
_PCM, _FLOAT, _EXTENSIBLE = 1, 3, 0xFFFE
_UNKNOWN_SIZE = 0xFFFFFFFF  # what a program writes as the size that streams and cannot go back
_CONVERT = "convert it, for example: ffmpeg -i IN -ac 1 -c:a pcm_s16le OUT.wav"
_AGAIN = "the file is incomplete: copy or download it again"

HOP = 0.010
"""Seconds from frame to frame of features, unless another hop is asked for."""

WINDOW = 0.025
"""Seconds of a frame, unless another length is asked for."""

MOST_RATE = 1_000_000
"""Samples a second, at most: what is computed of a sound grows with them."""

_LOUDEST = 1e9  # of a sample: some write floats as large as 32 bits; beyond, energies leave float32

_FLOOR = 1e-10  # of an energy: the logarithm of digital silence would be minus infinity
_CROSSINGS = 24  # zero crossings of the sinc on each side, in resampling
_ROLLOFF = 0.94  # the share of the lower Nyquist frequency that resampling keeps
_BETA = 9.0  # of the Kaiser window: about 90 dB below
_MOST_WEIGHTS = 10_000_000  # of resampling
_BLOCK = 1 << 15  # samples that are resampled at once, for memory


class _Coding(NamedTuple):
    """What a WAV file's `fmt ` chunk says."""

    codec: int
    channels: int
    rate: int
    bits: int


def read(path: str | Path) -> tuple[Tensor, int]:
    """Read a sound file: WAV (PCM of 8, 16, 24 or 32 bits, float of 32 or 64), or what soundfile reads.

    Several channels become their mean.

    Args:
        path: the file; what its name ends in tells how it is read.

    Returns:
        The samples, [N] float32 in [-1, 1] (a float file may overshoot), and the rate in samples a second.

    Raises:
        DataError: the file cannot be read, is damaged, has no samples or samples that are not numbers, is
            coded in a way that is not known here, or takes soundfile and that is not installed.
    """
    path = Path(path)
    is_wav = path.suffix.lower() in SUFFIXES[:2]
    return _mono(path, *(_wav(path, _bytes(path)) if is_wav else _by_soundfile(path)))


def decode(content: bytes, where: str) -> tuple[Tensor, int]:
    """The sound in the bytes of a WAV file, as `read` gives it.

    Args:
        content: the bytes.
        where: what to call them in an error.

    Raises:
        DataError: as `read`.
    """
    return _mono(where, *_wav(where, content))


def resample(samples: Tensor, rate: int, to: int) -> Tensor:
    """Change the rate, with all frequencies above the lower of both Nyquist frequencies taken out.

    y[n] = sum_k x[k] h(n rate / to - k), h(t) = c sinc(c t) kaiser(t), c = 0.94 min(1, to / rate), scaled so
    that each y has weights that sum to 1: band-limited interpolation of linear phase, one row of weights for
    each of the to / gcd(rate, to) phases (Smith and Gossett 1984).

    Args:
        samples: [N].
        rate: what they have, in samples a second.
        to: what they are to have.

    Returns:
        [ceil(N to / rate)], the first sample at the same moment as before.

    Raises:
        ConfigError: a rate is below 1, or above `MOST_RATE`; or they have so little in common that the
            weights would fill the memory.
    """
    for name, value in (("rate", rate), ("to", to)):
        if value < 1:
            raise ConfigError(name, str(value), expected="1 sample a second or more")
        if value > MOST_RATE:
            raise ConfigError(name, f"{value:,}", expected=f"at most {MOST_RATE:,} samples a second")
    if rate == to:
        return samples
    common = math.gcd(rate, to)
    down, up = rate // common, to // common
    if 2 * _CROSSINGS * up * max(1, down // up) > _MOST_WEIGHTS:
        got, remedy = f"{rate:,} and {to:,}", "convert it to a usual rate, for example by ffmpeg"
        raise ConfigError("rate and to", got, expected="rates of a larger common divisor", remedy=remedy)
    weights, reach = _phases(down, up)
    padded = F.pad(samples, (reach, reach + 1))
    windows = padded.unfold(0, weights.shape[1], 1)
    steps = torch.arange(-(-len(samples) * to // rate))
    parts = [
        (windows[part * rate // to] * weights[part % len(weights)]).sum(1) for part in steps.split(_BLOCK)
    ]
    return torch.cat(parts)


def log_mel(
    samples: Tensor,
    rate: int,
    *,
    bands: int = 40,
    window: float = WINDOW,
    hop: float = HOP,
    low: float = 20.0,
    high: float | None = None,
) -> Tensor:
    """The logarithm of the energy in bands of equal width on the mel scale, frame by frame.

    e[t, m] = ln(max(1e-10, sum_f w[m, f] |X[t, f]|^2)), X the Fourier transform of frame t under a Hann
    window, w triangles of height 1 with their corners equally far apart in mel(f) = 2595 log10(1 + f / 700)
    (the HTK Book, Young et al. 2006; Davis and Mermelstein 1980).

    Args:
        samples: [N].
        rate: samples a second.
        bands: how many.
        window: the length of a frame in seconds.
        hop: from the start of a frame to that of the next, in seconds.
        low: where the first triangle begins, in hertz.
        high: where the last triangle ends, in hertz; None: rate / 2.

    Returns:
        [T, bands] float32, T = 1 + floor((N - window) / hop); a sound shorter than a window is filled up
        with zeros to one frame, and what remains after the last whole frame is left out.

    Raises:
        ConfigError: a setting is out of bounds.
    """
    high = rate / 2 if high is None else high
    _check(rate, bands, window, hop, low, high)
    length, step = round(window * rate), round(hop * rate)
    frames = F.pad(samples, (0, max(0, length - len(samples)))).unfold(0, length, step)
    filters = _filters(rate, bands, length, low, high)
    spectrum = torch.fft.rfft(frames * torch.hann_window(length), n=2 * (filters.shape[1] - 1))
    return (spectrum.abs().square() @ filters.T).clamp(min=_FLOOR).log()


def mfcc(
    samples: Tensor,
    rate: int,
    *,
    count: int = 13,
    bands: int = 40,
    window: float = WINDOW,
    hop: float = HOP,
    low: float = 20.0,
    high: float | None = None,
) -> Tensor:
    """Mel-frequency cepstral coefficients: the first `count` of the orthonormal DCT-II of `log_mel`.

    c[t, k] = s_k sum_m e[t, m] cos(pi k (m + 1/2) / M), s_0 = sqrt(1 / M), else sqrt(2 / M) (Davis and
    Mermelstein 1980).

    Args:
        samples: [N].
        rate: samples a second.
        count: how many coefficients, from 1 to bands; the first tells the loudness.
        bands: M; this and the rest are what they are in `log_mel`.
        window: the length of a frame in seconds.
        hop: from frame to frame, in seconds.
        low: where the bands begin, in hertz.
        high: where they end, in hertz; None: rate / 2.

    Returns:
        [T, count] float32.

    Raises:
        ConfigError: a setting is out of bounds.
    """
    if not 1 <= count <= bands:
        raise ConfigError("count", str(count), expected=f"from 1 to bands = {bands}")
    energies = log_mel(samples, rate, bands=bands, window=window, hop=hop, low=low, high=high)
    angles = torch.arange(count)[:, None] * (torch.arange(bands) + 0.5) * (math.pi / bands)
    basis = angles.cos() * math.sqrt(2 / bands)
    basis[0] = math.sqrt(1 / bands)
    return energies @ basis.T


def deltas(features: Tensor, reach: int = 2) -> Tensor:
    """How fast features change: the slope of a line through the steps around each.

    d[t] = sum_k k (x[t + k] - x[t - k]) / (2 sum_k k^2), k from 1 to `reach`; the first and the last step
    stand for what lies beyond (the HTK Book, Young et al. 2006).

    Args:
        features: [T, F].
        reach: steps to each side.

    Returns:
        [T, F], to be put beside the features; deltas of deltas tell the acceleration.

    Raises:
        ConfigError: reach is below 1.
    """
    if reach < 1:
        raise ConfigError("reach", str(reach), expected="1 step or more")
    steps = torch.arange(len(features))
    slopes = [
        k * (features[(steps + k).clamp(max=len(steps) - 1)] - features[(steps - k).clamp(min=0)])
        for k in range(1, reach + 1)
    ]
    return torch.stack(slopes).sum(0) / (2 * sum(k * k for k in range(1, reach + 1)))


def _mono(where: object, sound: np.ndarray, rate: int) -> tuple[Tensor, int]:
    """The mean of the channels of a sound [N, channels], and its rate."""
    if not sound.size:
        raise DataError(where, "no samples", expected="one sample or more", remedy="leave this file out")
    if not np.isfinite(sound).all():
        raise DataError(where, "a sample that is not finite", expected="sound", remedy="make the file anew")
    if (loud := np.abs(sound) > _LOUDEST).any():
        place = int(loud.any(1).argmax())
        got = f"{sound[place][loud[place]][0]:g} at sample {place + 1:,}"
        raise DataError(where, got, expected="samples from -1 to 1", remedy="make the file anew")
    if not 1 <= rate <= MOST_RATE:
        expected = f"from 1 to {MOST_RATE:,} samples a second"
        raise DataError(where, f"{rate:,} Hz", expected=expected, remedy=_CONVERT)
    return torch.from_numpy(np.ascontiguousarray(sound.mean(1, dtype=np.float32))), rate


def _by_soundfile(path: Path) -> tuple[np.ndarray, int]:
    """[N, channels] and the rate, by the library soundfile."""
    _bytes(path, 1)
    got = "sound that only soundfile reads, which is not installed"
    optional.require("soundfile", "audio", path, got=got, instead=f"or {_CONVERT}", error=DataError)
    import soundfile

    try:
        with soundfile.SoundFile(str(path)) as file:  # in blocks: its head may promise more than there is
            blocks = (file.read(_BLOCK, dtype="float32", always_2d=True) for _ in count())
            found: list[np.ndarray] = [np.zeros((0, file.channels), np.float32), *takewhile(len, blocks)]
            return np.concatenate(found), file.samplerate
    except (soundfile.SoundFileError, ValueError, TypeError) as error:
        expected, got = f"sound ({', '.join(SUFFIXES)})", f"what soundfile cannot read ({error})"
        raise DataError(path, got, expected=expected, remedy=_CONVERT) from error


def _wav(path: object, content: bytes) -> tuple[np.ndarray, int]:
    """[N, channels] and the rate, of a WAV file (Microsoft and IBM 1991, Microsoft 2007)."""
    if content[:4] != b"RIFF" or content[8:12] != b"WAVE":
        got = f"a file that begins with {content[:12]!r}" if content else "an empty file"
        raise DataError(path, got, expected="a WAV file (RIFF....WAVE)", remedy=_CONVERT)
    coding, place = None, 12
    while place + 8 <= len(content):
        name, size = struct.unpack_from("<4sI", content, place)
        place += 8
        if name == b"fmt ":
            coding = _coding(path, content[place : place + size])
        elif name == b"data":
            return _decoded(path, coding, _body(path, content, place, size))
        place += size + size % 2  # chunks begin at even places
    raise DataError(path, "no sound in it", expected="a data chunk", remedy=_AGAIN)


def _bytes(path: Path, count: int = -1) -> bytes:
    """The first bytes of a file, or all of them."""
    try:
        with path.open("rb") as file:
            return file.read(count)
    except (OSError, ValueError) as error:  # a name that holds NUL is a ValueError
        got = f"cannot be read: {getattr(error, 'strerror', None) or error}"
        raise DataError(path, got, remedy="check the path and the disk") from error


def _coding(path: object, chunk: bytes) -> _Coding:
    if len(chunk) < 16:
        raise DataError(path, f"{len(chunk)} bytes of format", expected="16 or more", remedy=_AGAIN)
    codec, channels, rate, _, _, bits = struct.unpack_from("<HHIIHH", chunk)
    if codec == _EXTENSIBLE and len(chunk) >= 26:
        (codec,) = struct.unpack_from("<H", chunk, 24)  # the identifier begins with the codec meant
    if not channels or not rate:
        raise DataError(
            path, f"{channels} channels at {rate} Hz", expected="1 or more of both", remedy=_CONVERT
        )
    return _Coding(codec, channels, rate, bits)


def _body(path: object, content: bytes, place: int, size: int) -> memoryview:
    """The data chunk at a place."""
    there = len(content) - place
    if size == _UNKNOWN_SIZE:
        size = there
    if size > there:
        raise DataError(path, f"{there:,} bytes", expected=f"{size:,} bytes of sound", remedy=_AGAIN)
    return memoryview(content)[place : place + size]


def _decoded(path: object, coding: _Coding | None, body: memoryview) -> tuple[np.ndarray, int]:
    """The samples [N, channels] float32 of a data chunk, and the rate."""
    if coding is None:
        raise DataError(path, "sound before any format", expected="a fmt chunk before it", remedy=_CONVERT)
    known = {_PCM: (8, 16, 24, 32), _FLOAT: (32, 64)}.get(coding.codec, ())
    if coding.bits not in known:
        name = {_PCM: "PCM", _FLOAT: "float"} | _CODECS
        got = f"{name.get(coding.codec, f'codec {coding.codec:#x}')} of {coding.bits} bits"
        expected = "PCM of 8, 16, 24 or 32 bits or float of 32 or 64"
        raise DataError(path, got, expected=expected, remedy=_CONVERT)
    step = coding.channels * coding.bits // 8
    if len(body) % step:
        got = f"{len(body):,} bytes of sound"
        raise DataError(path, got, expected=f"a multiple of {step}, a step of all channels", remedy=_AGAIN)
    samples = _floats(body, coding) if coding.codec == _FLOAT else _integers(body, coding.bits)
    return samples.reshape(-1, coding.channels), coding.rate


def _floats(body: memoryview, coding: _Coding) -> np.ndarray:
    return np.frombuffer(body, f"<f{coding.bits // 8}").astype(np.float32)


def _integers(body: memoryview, bits: int) -> np.ndarray:
    """PCM samples as float32 in [-1, 1)."""
    if bits == 8:  # the one width without a sign
        return (np.frombuffer(body, np.uint8).astype(np.float32) - 128) / 128
    if bits == 24:  # NumPy has no such integer: three bytes become the upper ones of four
        wide = np.zeros((len(body) // 3, 4), np.uint8)
        wide[:, 1:] = np.frombuffer(body, np.uint8).reshape(-1, 3)
        return wide.view("<i4")[:, 0].astype(np.float32) / 2**31
    return np.frombuffer(body, f"<i{bits // 8}").astype(np.float32) / 2 ** (bits - 1)


def _phases(down: int, up: int) -> tuple[Tensor, int]:
    """The weights of resampling by up / down: [up, 2 reach + 2], one row a phase; and reach, in samples."""
    cut = _ROLLOFF * min(1.0, up / down)
    reach = math.ceil(_CROSSINGS / cut)
    phase = torch.arange(up, dtype=torch.float64)[:, None] * down % up / up
    time = torch.arange(-reach, reach + 2, dtype=torch.float64) - phase
    inside = (1 - (time * cut / _CROSSINGS).square()).clamp(min=0)
    kaiser = torch.special.i0(_BETA * inside.sqrt()) / torch.special.i0(torch.tensor(_BETA))
    weights = cut * torch.sinc(cut * time) * kaiser * (inside > 0)
    return (weights / weights.sum(1, keepdim=True)).float(), reach


def _filters(rate: int, bands: int, length: int, low: float, high: float) -> Tensor:
    """The triangles of `log_mel`: [bands, bins] over the frequencies from 0 to rate / 2."""
    mels = torch.linspace(_mel(low), _mel(high), bands + 2, dtype=torch.float64)
    corners = 700 * (10 ** (mels / 2595) - 1)
    size = 2 ** math.ceil(math.log2(length))
    while rate / size > corners[1] - corners[0]:  # else the first triangles could fall between two bins
        size *= 2
    bins = torch.arange(size // 2 + 1, dtype=torch.float64) * rate / size
    left, peak, right = (corners[at : at + bands, None] for at in range(3))
    rising, falling = (bins - left) / (peak - left), (right - bins) / (right - peak)
    return torch.minimum(rising, falling).clamp(min=0).float()


def _mel(hertz: float) -> float:
    return 2595 * math.log10(1 + hertz / 700)


def _check(rate: int, bands: int, window: float, hop: float, low: float, high: float) -> None:
    if bands < 1:
        raise ConfigError("bands", str(bands), expected="1 or more")
    for name, seconds in (("window", window), ("hop", hop)):
        if round(seconds * rate) < 1:
            raise ConfigError(name, f"{seconds:g} s", expected=f"a sample or more, at {rate} Hz")
    if not 0 <= low < high <= rate / 2:
        expected = f"0 <= low < high <= {rate / 2:g} Hz, half the rate"
        raise ConfigError("low and high", f"{low:g} and {high:g} Hz", expected=expected)
