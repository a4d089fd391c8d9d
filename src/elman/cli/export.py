"""`elman export`: a trained network for others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from elman.core.errors import ConfigError

if TYPE_CHECKING:
    from elman.runs.export import Exported


def export(
    run: Path,
    /,
    *,
    onnx: bool = False,
    c: bool = False,
    torch: bool = False,
    streaming: bool = False,
    int8: bool = False,
    data: str | None = None,
    out: Path | None = None,
) -> None:
    """Write a model's network as ONNX, as C, or as a program of torch.export, checked against the model.

    Parameters
    ----------
    run
        Run folder.
    onnx
        Write ONNX; any number of steps and sequences, with lengths and the state (needs elman[onnx]).
    c
        Write one step as C99, with its header: no dependency but libm, no memory allocated.
    torch
        Write what torch.export.load reads.
    streaming
        Sequences come in pieces (--onnx); all that is carried over is a state.
    int8
        Weights of products and LSTMs in 8 bits (--onnx), and what that costs.
    data
        What --int8 is scored on; left out: the test part of the data that the model was trained on.
    out
        File or folder to write; left out: the run folder. Several graphs have their names before the suffix.
    """
    if onnx + c + torch != 1:
        raise ConfigError("elman export", "choose exactly one of --onnx, --c, --torch")
    for name, given in (("streaming", streaming), ("int8", int8)):
        if given and not onnx:
            raise ConfigError(f"--{name}", "without --onnx", remedy="leave it out, or add --onnx")
    if data is not None and not int8:
        raise ConfigError("--data", "without --int8", remedy="leave it out, or add --int8")
    from elman.runs import export as target
    from elman.runs.load import load

    model = load(run, device="cpu")
    if c:
        _report(target.to_c(model, out))
    elif torch:
        _report(target.to_torch(model, out))
    elif not int8:
        _report(target.to_onnx(model, out, streaming=streaming))
    else:
        from elman.core import formatting

        found = target.to_int8(model, out, streaming=streaming, data=data)
        _report(found.files)
        size = sum(one.size for one in found.files)
        print(f"{size:,} bytes, {size / found.before:.0%} of {found.before:,}")
        if found.scores:
            print("\n".join(formatting.markdown_table({Path(data).name if data else "test": found.scores})))
        else:
            print("what that costs is not measured for this network")


def _report(written: list[Exported]) -> None:
    for one in written:
        words = [f"{one.size:,} bytes"]
        words += [] if one.off is None else [f"the network's numbers to {one.off:.0e}"]
        words += [one.notes] * bool(one.notes)
        print(f"wrote {one.path}: {', '.join(words)}")
