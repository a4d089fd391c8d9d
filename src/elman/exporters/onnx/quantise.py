"""Weights in 8 bits: products and LSTMs are computed in whole numbers, scaled as the data come."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

QUANTISED = ("MatMul", "LSTM")
"""Operators that ONNX Runtime has in 8 bits; it has none of GRU and RNN."""


def quantised(model: onnx.ModelProto) -> onnx.ModelProto:
    """Quantise the weights of a model's products and LSTMs to 8 bits, those of a product by column."""
    with TemporaryDirectory() as folder, _quiet():
        before, after = Path(folder) / "before.onnx", Path(folder) / "after.onnx"
        before.write_bytes(model.SerializeToString())
        quantize_dynamic(
            before,
            after,
            op_types_to_quantize=list(QUANTISED),
            weight_type=QuantType.QInt8,
            per_channel=True,
        )
        return onnx.load(after)


@contextmanager
def _quiet() -> Iterator[None]:
    """Silence the advice to prepare the model, which ours does not need."""

    def is_others(record: logging.LogRecord) -> bool:
        return Path(record.pathname).parent.name != "quantization"

    logging.root.addFilter(is_others)
    try:
        yield
    finally:
        logging.root.removeFilter(is_others)
