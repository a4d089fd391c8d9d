"""A job under autocast: computed in float32, with results of the dtypes that autocast gives them."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from elman.nn.formula.listing import listed
from elman.nn.formula.operations import Formula, reached
from elman.nn.formula.surroundings import surrounded
from elman.nn.kernels.base import CellProtocol, Kernel, Result, ScanJob


def run_cast(kernel: Kernel, cell: CellProtocol, job: ScanJob) -> Result:
    """Run a job on a kernel of float32 while autocast is on.

    Args:
        kernel: serves the job without autocast.
        cell: the algebra of one step.
        job: with weights in float32.
    """
    dtypes, mask = _dtypes(cell, job, torch.get_autocast_dtype("cpu")), job.hidden_mask
    job = job._replace(
        x=job.x.float(),
        state=tuple([s.float() for s in job.state]),
        hidden_mask=None if mask is None else mask.float(),
        zone=job.zone and tuple([z.float() if isinstance(z, Tensor) else z for z in job.zone]),
    )
    with torch.autocast("cpu", enabled=False):
        ys, last = kernel.run(cell, job)
    return tuple(map(Tensor.to, ys, dtypes)), tuple(map(Tensor.to, last, dtypes))


def _dtypes(cell: CellProtocol, job: ScanJob, low: torch.dtype) -> tuple[torch.dtype, ...]:
    """Of the states after a step: products are in autocast's, and the wider of two dtypes prevails."""
    formula = listed(cell, job.hidden_size).formula
    assert formula is not None
    zone = tuple(None if isinstance(z, Tensor) else z for z in job.zone or ())
    formula = surrounded(formula, job.weights.w_hr is not None, zone)
    given = tuple(z.dtype for z in job.zone or () if isinstance(z, Tensor))
    normed = job.weights.gain_ih is not None
    return _promoted(formula, tuple(s.dtype for s in job.state), given, low, normed)


@lru_cache(256)
def _promoted(
    formula: Formula,
    states: tuple[torch.dtype, ...],
    given: tuple[torch.dtype, ...],
    low: torch.dtype,
    normed: bool,
) -> tuple[torch.dtype, ...]:
    """See `_dtypes`; layer normalisation gives float32, whatever it is given."""
    gates = torch.float32 if normed else low
    for _ in states:  # from step to step one more state may be wider
        found = []
        for result in formula.results:
            dtype = low
            for value in reached(formula.operations, [result]):
                name, _, index, _ = formula.operations[value]
                projection = name == "product" and index == formula.recurrent_gates
                if name == "state":
                    dtype = torch.promote_types(dtype, states[index])
                elif name == "given":
                    dtype = torch.promote_types(dtype, given[index])
                elif name == "learnt":
                    dtype = torch.float32
                elif name in ("input", "product") and not projection:
                    dtype = torch.promote_types(dtype, gates)
            found.append(dtype)
        states = tuple(found)
    return states
