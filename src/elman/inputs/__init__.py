"""The inputs: a raw value becomes a sequence in a tensor, of symbols or of features."""

from __future__ import annotations

from typing import TYPE_CHECKING

from elman.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from elman.core.records import RawValue
    from elman.inputs.base import Input, identity
    from elman.inputs.image import Image
    from elman.inputs.registry import INPUTS, learn, name_of, restore, takes, to_content
    from elman.inputs.signals.signal_input import Signal
    from elman.inputs.text.incremental import TextEncoder
    from elman.inputs.text.text_input import Text, prepared
    from elman.nn.embedding import LARGEST_EMBEDDING, Embedding
    from elman.nn.readers import InputLayer, PixelInput

__all__ = [
    "INPUTS",
    "LARGEST_EMBEDDING",
    "Embedding",
    "Image",
    "Input",
    "InputLayer",
    "PixelInput",
    "RawValue",
    "Signal",
    "Text",
    "TextEncoder",
    "identity",
    "learn",
    "name_of",
    "prepared",
    "restore",
    "takes",
    "to_content",
]

__getattr__ = lazy_names(
    __name__,
    {
        "Embedding": "elman.nn.embedding",
        "INPUTS": "elman.inputs.registry",
        "Image": "elman.inputs.image",
        "Input": "elman.inputs.base",
        "InputLayer": "elman.nn.readers",
        "LARGEST_EMBEDDING": "elman.nn.embedding",
        "PixelInput": "elman.nn.readers",
        "RawValue": "elman.core.records",
        "Signal": "elman.inputs.signals.signal_input",
        "Text": "elman.inputs.text.text_input",
        "TextEncoder": "elman.inputs.text.incremental",
        "identity": "elman.inputs.base",
        "learn": "elman.inputs.registry",
        "name_of": "elman.inputs.registry",
        "prepared": "elman.inputs.text.text_input",
        "restore": "elman.inputs.registry",
        "takes": "elman.inputs.registry",
        "to_content": "elman.inputs.registry",
    },
)
