"""What stands around a list of operations: layer normalisation, projection, zoneout, all states."""

from __future__ import annotations

from itertools import product

import pytest
import torch
from torch import Tensor

from elman.core.errors import DataError
from elman.core.records import Seq
from elman.nn import kernels
from elman.nn.cells import registry
from elman.nn.formula.listing import listed
from elman.nn.formula.surroundings import projects, surrounded
from elman.nn.kernels import native
from elman.nn.kernels.base import ScanJob
from elman.nn.kernels.native import packed_weights
from elman.nn.kernels.native.lists import ListCall
from elman.nn.recurrent import Recurrent, _projects
from in_parts import assert_parts_are_the_whole

pytestmark = pytest.mark.skipif(native.available() is None, reason="the native kernels were not built")

SETTINGS = {
    "normed": {"layer_norm": True},
    "projected": {"projection": 9},
    "zoned": {"zoneout": 0.3},
    "all": {"layer_norm": True, "projection": 9, "zoneout": 0.3, "recurrent_dropout": 0.2},
    "normed and zoned": {"layer_norm": True, "zoneout": 0.3, "recurrent_dropout": 0.2},
}


@pytest.fixture(autouse=True)
def seed():
    torch.manual_seed(0)


@pytest.fixture
def threads():
    """What sets their number, for this test alone."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


def network(cell, settings, features=5, hidden=21, dtype=torch.float64):
    """A layer in double precision whose parameters are all random; None where the cell has no projection."""
    if "projection" in settings and not _projects(registry.get(cell)):
        return None
    net = Recurrent(cell, features, hidden, **settings).to(dtype)
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.4)
    return net


def job_of(net, steps, batch, *, ragged=False, reset=False, every=True) -> ScanJob:
    """A job as `net` in training makes it."""
    dtype, sizes = net.weight_hh_l0.dtype, net.state_sizes
    state = tuple(torch.randn(batch, size, dtype=dtype).requires_grad_() for size in sizes)
    zone = tuple((torch.rand(steps, *s.shape) < net.zoneout).to(dtype) for s in state)
    mask = (torch.rand_like(state[0]) > net.recurrent_dropout).to(dtype)
    return ScanJob(
        torch.randn(steps, batch, net.input_size, dtype=dtype).requires_grad_(),
        state,
        net.weights(0),
        torch.randint(0, steps + 1, (batch,)) if ragged else None,
        hidden_mask=mask if net.recurrent_dropout else None,
        reset=torch.rand(steps, batch) < 0.3 if reset else None,
        zone=zone if net.zoneout else None,
        every=every,
    )


def everything(net, job, kernel) -> list[Tensor]:
    """All states, with and without gradients, and all gradients."""
    job = job._replace(weights=net.weights(0))  # made anew: what is made of parameters has one backward
    ys, last = kernels.scan(net.cell, job, kernel)
    total = sum((out * torch.linspace(-1, 1, out.numel()).view_as(out)).sum() for out in (*ys, *last))
    leaves = [job.x, *job.state, *net.parameters()]
    grads = torch.autograd.grad(total, leaves, allow_unused=True, materialize_grads=True)
    with torch.no_grad():
        (again, *_), _ = kernels.scan(net.cell, job, kernel)
    return [*ys, *last, *grads, again]


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("cell", registry.names())
def test_every_cell_gives_the_loops_numbers(cell, kind, threads):
    net = network(cell, SETTINGS[kind])
    if net is None:
        return
    for count, (steps, batch) in product((1, 2), ((1, 3), (6, 1), (4, 19))):
        threads(count)
        for ragged, reset in ((False, False), (True, True)):
            job = job_of(net, steps, batch, ragged=ragged, reset=reset)
            for mine, true in zip(everything(net, job, "native"), everything(net, job, "loop"), strict=True):
                largest = float(torch.cat([torch.ones(1), true.detach().abs().flatten()]).max())
                torch.testing.assert_close(mine, true, rtol=0, atol=1e-10 * largest)


@pytest.mark.parametrize("kind", SETTINGS)
@pytest.mark.parametrize("cell", ["lstm", "rnn", "multiplicative_lstm"])
def test_gradcheck(cell, kind):
    settings = SETTINGS[kind] | ({"projection": 2} if "projection" in SETTINGS[kind] else {})
    net = network(cell, settings, 2, 3)
    if net is None:
        return
    job = job_of(net, 3, 3)

    def run(*leaves):
        ys, last = kernels.scan(net.cell, job._replace(x=leaves[0], state=leaves[1 : 1 + len(job.state)]))
        return *ys, *last

    assert torch.autograd.gradcheck(run, (job.x, *job.state, *net.parameters()))


@pytest.mark.parametrize("kind", SETTINGS)
def test_the_bits_are_the_same_on_any_number_of_threads(kind, threads):
    net = network("lstm", SETTINGS[kind], 40, 50, torch.float32)
    job = job_of(net, 20, 24)
    for given in (job, job._replace(x=job.x[:, :3], state=tuple(s[:3] for s in job.state), zone=None)):
        if given.hidden_mask is not None:
            given = given._replace(hidden_mask=given.hidden_mask[: given.x.shape[1]])
        found = []
        for count in (1, 2, 3):
            threads(count)
            found.append(everything(net, given, "native"))
        for other in found[1:]:
            assert all(map(torch.equal, found[0], other))


@pytest.mark.parametrize("kind", SETTINGS)
def test_ragged_is_one_by_one_and_a_stream_is_the_whole(kind):
    assert_parts_are_the_whole(network("lstm", SETTINGS[kind]).eval(), 5)


def test_a_second_derivative_goes_through_the_loop():
    net = network("lstm", SETTINGS["all"])
    job = job_of(net, 3, 4)
    found = []
    for kernel in ("native", "loop"):
        (y, c), _ = kernels.scan(net.cell, job, kernel)
        (grad,) = torch.autograd.grad((y.sum() + c.square().sum()), job.x, create_graph=True)
        found.append(torch.autograd.grad(grad.square().sum(), list(net.parameters()), allow_unused=True))
    for mine, true in zip(*found, strict=True):
        torch.testing.assert_close(mine, true)


@pytest.mark.parametrize("kind", [None, *SETTINGS])
@pytest.mark.parametrize("cell", ["lstm", "multiplicative_lstm", "mgu"])
def test_few_rows_are_computed_from_weights_as_they_lie(cell, kind, monkeypatch):
    net = network(cell, SETTINGS[kind] if kind else {})
    if net is None:
        return
    job = job_of(net, 3, 2)
    expected = everything(net, job, "loop")
    monkeypatch.setattr(packed_weights, "_pack", lambda *_: pytest.fail("they were laid out"))
    for mine, true in zip(everything(net, job, "native"), expected, strict=True):
        torch.testing.assert_close(mine, true, rtol=1e-10, atol=1e-10)


def test_many_rows_are_computed_from_weights_as_they_are_now():
    net = network("lstm", SETTINGS["all"])
    job = job_of(net, 9, 4)
    before = everything(net, job, "native")
    for name in ("gain_ih_l0", "gain_hh_l0", "weight_hr_l0"):
        getattr(net, name).data.mul_(1.5)
        found, expected = everything(net, job, "native"), everything(net, job, "loop")
        assert not torch.equal(found[0], before[0])
        torch.testing.assert_close(found, expected)
        before = found


@pytest.mark.parametrize("around", [{}, *SETTINGS.values()], ids=str)
@pytest.mark.parametrize("cell", ["gru", "mgu", "lstm"])
def test_autocast_is_float32_rounded(cell, around):
    net = network(cell, around, dtype=torch.float32)
    if net is None:
        return
    net.eval()
    net.kernel, x = "native", torch.randn(7, 3, 5)
    (wanted, _), lengths = net(Seq(x)), torch.tensor([5, 2, 7])
    with torch.autocast("cpu", torch.bfloat16):
        y, after = net(Seq(x.bfloat16().float()))
        net(Seq(x.bfloat16(), lengths), after)
        once = net.layer_steppers(net.initial(3))[0](x[0])
    rounded, ended = net(Seq(x.bfloat16().float()))
    net.kernel = "loop"
    with torch.autocast("cpu", torch.bfloat16):
        slow, slowly = net(Seq(x.bfloat16().float()))
    for mine, exact, like in zip((y.data, *after), (rounded.data, *ended), (slow.data, *slowly), strict=True):
        assert mine.dtype == like.dtype
        assert torch.equal(mine, exact.to(like.dtype))
    torch.testing.assert_close(y.data.float(), wanted.data, rtol=0.05, atol=0.05)
    torch.testing.assert_close(once.float(), wanted.data[0], rtol=0.05, atol=0.05)
    y.data.float().square().sum().backward()
    assert all(p.grad is None or p.grad.dtype == torch.float32 for p in net.parameters())
    assert any(p.grad is not None and p.grad.any() for p in net.parameters())


def test_which_kernel_runs_under_autocast():
    def chosen(cell, dtype=torch.float32, **settings):
        net = Recurrent(cell, 3, 4, **settings).to(dtype)
        job = ScanJob(torch.randn(5, 2, 3, dtype=dtype), (), net.weights(0))
        state = tuple(s[0] for s in net.initial(2))
        with torch.autocast("cpu", torch.bfloat16):
            return kernels.choose(kernels.case_of(net.cell, job._replace(state=state)))[0].name

    assert [chosen(cell) for cell in ("gru", "rnn", "mgu", "lstm")] == ["native"] * 3 + ["aten"]
    assert chosen("lstm", layer_norm=True) == chosen("lstm", projection=2) == "native"
    assert chosen("gru", torch.bfloat16) == "aten"
    assert chosen("lstm", torch.float64) == "native"


def test_a_projection_wants_a_hidden_state_that_enters_products_only():
    formulas = {name: listed(registry.get(name), 4).formula for name in registry.names()}
    found = {name for name, formula in formulas.items() if formula is not None and projects(formula)}
    assert {"rnn", "lstm"} <= found
    assert found == {name for name in registry.names() if _projects(registry.get(name))}
    formula = surrounded(formulas["lstm"], True, (0.25, None))
    assert formula.products[-1][1:] == (4, 5)
    assert (formula.projected, formula.given) == (True, (1,))


def test_what_comes_with_a_step_is_checked():
    net = network("lstm", SETTINGS["zoned"])
    job, formula = job_of(net, 3, 4), listed(net.cell, net.hidden_size).formula
    with pytest.raises(DataError, match="a mask of zoneout"):
        ListCall(formula, job._replace(zone=tuple(z[:2] for z in job.zone)), False)
