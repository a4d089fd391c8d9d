"""The parts of a C file: functions that it may need, numbers, and the frame around a step."""

from __future__ import annotations

import math
import re

import numpy as np
from torch import Tensor

_FUNCTIONS = {
    "product": """
/* y += x W, for W [in][out]. */
static void product(const float *restrict w, const float *restrict x, float *restrict y, int in, int out)
{
    int i, j;
    for (i = 0; i + 4 <= in; i += 4, w += 4 * (size_t)out) {
        const float a = x[i], b = x[i + 1], c = x[i + 2], d = x[i + 3];
        for (j = 0; j < out; j++)
            y[j] += (a * w[j] + b * w[out + j]) + (c * w[2 * out + j] + d * w[3 * out + j]);
    }
    for (; i < in; i++, w += out)
        for (j = 0; j < out; j++)
            y[j] += x[i] * w[j];
}
""",
    "sigmoid": """
static float sigmoid(float x)
{
    return 1.0f / (1.0f + expf(-x));
}
""",
    "softplus": """
static float softplus(float x)
{
    return fmaxf(x, 0.0f) + log1pf(expf(-fabsf(x)));
}
""",
    "normalise": """
/* Each of some gates with mean 0 and deviation 1, then times its gains (Ba et al. 2016). */
static void normalise(float *restrict y, const float *restrict gain, int gates, int size)
{
    int g, i;
    for (g = 0; g < gates; g++, y += size, gain += size) {
        float mean = 0.0f, variance = 0.0f, scale;
        for (i = 0; i < size; i++)
            mean += y[i];
        mean /= (float)size;
        for (i = 0; i < size; i++)
            variance += (y[i] - mean) * (y[i] - mean);
        scale = 1.0f / sqrtf(variance / (float)size + 1e-5f);
        for (i = 0; i < size; i++)
            y[i] = (y[i] - mean) * scale * gain[i];
    }
}
""",
}

NEEDS = {"sigmoid": "sigmoid(", "softplus": "softplus(", "product": "product(", "normalise": "normalise("}

HEADER = """\
/* {about}
   Written by Elman {version}. C99, nothing but libm; no memory is allocated. */
#ifndef {guard}_H
#define {guard}_H

#include <stdint.h>

#ifdef __cplusplus
extern "C" {{
#endif

{sizes}
/* All that is carried from step to step, and the memory that a step works in. */
typedef struct {{
{fields}
    float work[{work}];
}} {name}_state;

typedef struct {{
{outputs}
}} {name}_output;

/* Before the first step of a sequence. */
void {name}_start({name}_state *state);
{starts}
/* One step. Gives 0; or -1, and changes nothing, where {wrong}. */
int {name}_step({name}_state *state, {input}, {name}_output *output);

#ifdef __cplusplus
}}
#endif

#endif
"""

SOURCE = """\
/* {about}
   Written by Elman {version}. Compile with -O3, and -lm; with -D{guard}_MAIN it is a program that reads
   steps as numbers from standard input, and writes what comes out of each, a line a step. */
#include "{name}.h"

#include <math.h>
#include <stddef.h>
#include <string.h>

{functions}
{constants}
void {name}_start({name}_state *state)
{{
{start}
}}
{starts}
int {name}_step({name}_state *state, {input}, {name}_output *output)
{{
    float *const work = state->work;
{variables}{guarded}
{body}
    return 0;
}}

#ifdef {guard}_MAIN
#include <stdio.h>

static {name}_state state;
static {name}_output output;

int main(void)
{{
{program}
    return 0;
}}
#endif
"""


def functions(body: str) -> str:
    """Return the functions that a body calls."""
    return "".join(text for name, text in _FUNCTIONS.items() if NEEDS[name] in body)


def number(value: float) -> str:
    """Write a number in single precision, with all of its digits, or by its name in math.h if not finite."""
    if not math.isfinite(value):
        return "NAN" if math.isnan(value) else "INFINITY" if value > 0 else "-INFINITY"
    text = f"{value:.9g}"
    return f"{text}f" if re.search(r"[.e]", text) else f"{text}.0f"


def array(name: str, tensor: Tensor) -> str:
    """Write a constant array."""
    flat = tensor.detach().float().contiguous().numpy().ravel()
    texts = [number(value) for value in flat.tolist()]
    lines = [", ".join(texts[place : place + 8]) for place in range(0, len(texts), 8)]
    return f"static const float {name}[{max(1, len(flat))}] = {{\n    " + ",\n    ".join(lines) + "\n};\n"


def finite(tensor: Tensor) -> bool:
    """Return whether C can write all of these numbers."""
    return bool(np.isfinite(tensor.detach().numpy()).all())


def identifier(stem: str) -> str:
    """Return a name that C takes, from that of a file."""
    name = re.sub(r"\W", "_", stem, flags=re.ASCII)
    return name if re.match(r"[A-Za-z]", name) else f"elman_{name}"
