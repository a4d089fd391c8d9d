"""The published cells beyond torch's: each against its equations in plain lines, and what it starts from."""

from __future__ import annotations

import pytest
import torch

from elman.core.records import Seq
from elman.nn.cells import registry
from elman.nn.formula.listing import listed
from elman.nn.recurrent import Recurrent

F, H, T = 3, 4, 5
OTHERS = ("rnn", "rnn_relu", "lstm", "gru", "gru_reset_before")
ZOO = [name for name in registry.names() if name not in OTHERS]
sigmoid, tanh, relu, exp = torch.sigmoid, torch.tanh, torch.relu, torch.exp


def mgu(x, u, b, h):
    f = sigmoid(x[0] + u[0] @ h + b[0])
    n = tanh(x[1] + u[1] @ (f * h) + b[1])
    return ((1 - f) * h + f * n,)


def minimal_rnn(x, u, b, h):
    z = tanh(x[0])
    k = sigmoid(u[0] @ h + b[0] + u[1] @ z + b[1])
    return (k * h + (1 - k) * z,)


def peephole_lstm(x, u, b, h, c, p_i, p_f, p_o):
    a = [x[k] + u[k] @ h + b[k] for k in range(4)]
    i, f = sigmoid(a[0] + p_i * c), sigmoid(a[1] + p_f * c)
    c = f * c + i * tanh(a[2])
    return sigmoid(a[3] + p_o * c) * tanh(c), c


def cifg(x, u, b, h, c):
    f, g, o = (x[k] + u[k] @ h + b[k] for k in range(3))
    c = sigmoid(f) * c + (1 - sigmoid(f)) * tanh(g)
    return sigmoid(o) * tanh(c), c


def janet(x, u, b, h):
    f, g = (x[k] + u[k] @ h + b[k] for k in range(2))
    return (sigmoid(f) * h + (1 - sigmoid(f - 1)) * tanh(g),)


def ugrnn(x, u, b, h):
    g, c = (x[k] + u[k] @ h + b[k] for k in range(2))
    return (sigmoid(g) * h + (1 - sigmoid(g)) * tanh(c),)


def atr(x, u, b, h):
    p, q = x[0], u[0] @ h + b[0]
    return (sigmoid(p + q) * p + sigmoid(p - q) * h,)


def ran(x, u, b, h, c):
    i, f = sigmoid(x[1] + u[0] @ h + b[0]), sigmoid(x[2] + u[1] @ h + b[1])
    c = i * x[0] + f * c
    return tanh(c), c


def ligru(x, u, b, h):
    z, n = sigmoid(x[0] + u[0] @ h + b[0]), relu(x[1] + u[1] @ h + b[1])
    return (z * h + (1 - z) * n,)


def indrnn(x, u, b, h, w):
    return (relu(x[0] + w * h),)


def fastrnn(x, u, b, h, alpha, beta):
    return (sigmoid(alpha) * tanh(x[0] + u[0] @ h + b[0]) + sigmoid(beta) * h,)


def fastgrnn(x, u, b, h, b_z, b_n, zeta, nu):
    a = x[0] + u[0] @ h + b[0]
    z, n = sigmoid(a + b_z), tanh(a + b_n)
    return ((sigmoid(zeta) * (1 - z) + sigmoid(nu)) * n + z * h,)


def scrn(x, u, b, h, s):
    s = 0.05 * x[0] + 0.95 * s
    return sigmoid(x[1] + u[0] @ s + b[0] + u[1] @ h + b[1]), s


def antisymmetric_rnn(x, u, b, h):
    twisted = u[0] - u[0].T - 0.01 * torch.eye(H)
    return (h + 0.01 * tanh(x[0] + twisted @ h + b[0]),)


def multiplicative_lstm(x, u, b, h, c):
    m = x[0] * (u[0] @ h + b[0])
    i, f, g, o = (x[k] + u[k] @ m + b[k] for k in range(1, 5))
    c = sigmoid(f) * c + sigmoid(i) * tanh(g)
    return sigmoid(o) * tanh(c), c


def rhn(x, u, b, h):
    for layer in range(3):
        n, t = (u[2 * layer + k] @ h + b[2 * layer + k] + (0 if layer else x[k]) for k in range(2))
        h = tanh(n) * sigmoid(t) + h * (1 - sigmoid(t))
    return (h,)


def cornn(x, u, b, h, z):
    force = tanh(x[0] + u[0] @ h + b[0] + u[1] @ z + b[1])
    z = z + 0.042 * (force - 2.7 * h - 4.7 * z)
    return h + 0.042 * z, z


def unicornn(x, u, b, h, z, w, c):
    z = z - 0.19 * sigmoid(c) * (tanh(w * h + x[0]) + 0.9 * h)
    return h + 0.19 * sigmoid(c) * z, z


def lem(x, u, b, h, z):
    t, s = sigmoid(x[0] + u[0] @ h + b[0]), sigmoid(x[1] + u[1] @ h + b[1])
    z = (1 - t) * z + t * tanh(x[2] + u[2] @ h + b[2])
    return (1 - s) * h + s * tanh(x[3] + u[3] @ z + b[3]), z


def positive(x):
    return torch.where(x >= 0, x + 0.5, sigmoid(x))


def mingru(x, u, b, h):
    return ((1 - sigmoid(x[0])) * h + sigmoid(x[0]) * positive(x[1]),)


def minlstm(x, u, b, h):
    f, i = sigmoid(x[0]), sigmoid(x[1])
    return (f / (f + i) * h + i / (f + i) * positive(x[2]),)


def qrnn(x, u, b, h, c):
    f = sigmoid(x[1])
    c = f * c + (1 - f) * tanh(x[0])
    return sigmoid(x[2]) * c, c


def sru(x, u, b, h, c, v_f, v_r):
    f, r = sigmoid(x[1] + v_f * c), sigmoid(x[2] + v_r * c)
    c = f * c + (1 - f) * x[0]
    return r * c + (1 - r) * x[3], c


def lru(x, u, b, h, s, nu, theta, gamma):
    turned = exp(torch.complex(-exp(nu), exp(theta)))
    z = turned * torch.complex(h, s) + exp(gamma) * torch.complex(x[0], x[1])
    return z.real, z.imag


def s5(x, u, b, h, s, alpha, omega, delta):
    a, d = torch.complex(-exp(alpha), omega), exp(delta)
    z = exp(a * d) * torch.complex(h, s) / 2 + (exp(a * d) - 1) / a * torch.complex(x[0], x[1])
    return 2 * z.real, 2 * z.imag


def rglru(x, u, b, h, decay):
    a = sigmoid(decay) ** (8 * sigmoid(x[1]))
    return (a * h + torch.sqrt(1 - a**2) * sigmoid(x[2]) * x[0],)


def slstm(x, u, b, h, c, n, m):
    i, f, z, o = (x[k] + u[k] @ h + b[k] for k in range(4))
    after = torch.maximum(torch.log(sigmoid(f)) + m, i)
    keep, write = exp(torch.log(sigmoid(f)) + m - after), exp(i - after)
    c, n = keep * c + write * tanh(z), keep * n + write
    return sigmoid(o) * c / n, c, n, after


@pytest.mark.parametrize("name", ZOO)
def test_a_cell_is_its_equations(name):
    torch.manual_seed(0)
    net = Recurrent(name, F, H).double()
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.5)
    x, own = torch.randn(T, F).double(), [getattr(net, f"{one.name}_l0") for one in net.cell.learnt]
    state = [torch.randn(H).double() for _ in range(net.cell.states)]
    u, b = net.weight_hh_l0.split(H), net.bias_hh_l0.split(H)
    y, last = net(Seq(x[:, None], None), tuple(s[None, None] for s in state))
    for t in range(T):
        wx = (net.weight_ih_l0 @ x[t] + net.bias_ih_l0).split(H)
        state = globals()[name](wx, u, b, *state, *own)
        torch.testing.assert_close(y.data[t, 0], state[0])
    for mine, true in zip(last, state, strict=True):
        torch.testing.assert_close(mine[0, 0], true)


@pytest.mark.parametrize("name", ZOO)
def test_a_cell_is_a_list_and_learns_its_own_parameters(name):
    assert listed(registry.get(name), 16).refusal is None
    net = Recurrent(name, F, H, layers=2)
    x = torch.randn(T, 2, F)
    net(Seq(x, None))[0].data.square().sum().backward()
    for called, parameter in net.named_parameters():
        assert parameter.grad is not None, called
        assert parameter.grad.isfinite().all(), called


def test_a_cell_names_its_own_parameters_beside_the_weights():
    names = set(Recurrent("fastgrnn", F, H, bidirectional=True).state_dict())
    assert {"bias_gate_l0", "zeta_l0_reverse", "nu_l0", "weight_hh_l0"} <= names
    assert Recurrent("indrnn", F, H).weight_hh_l0.shape == (0, H)
    assert Recurrent("rhn", F, H).weight_hh_l0.shape == (6 * H, H)


@pytest.mark.parametrize(
    ("name", "parameter", "low", "high"),
    [
        ("indrnn", "recurrent_l0", 0, 1),
        ("fastrnn", "alpha_l0", -3, -3),
        ("fastrnn", "beta_l0", 3, 3),
        ("fastgrnn", "zeta_l0", 1, 1),
        ("fastgrnn", "nu_l0", -4, -4),
        ("unicornn", "pace_l0", -0.1, 0.1),
        ("peephole_lstm", "peephole_forget_l0", 0, 0),
        ("lem", "weight_hh_l0", -(64**-0.5), 64**-0.5),
    ],
)
def test_what_a_cell_starts_from(name, parameter, low, high):
    values = getattr(Recurrent(name, F, 64), parameter)
    assert low <= values.min() <= values.max() <= high
    assert values.std(correction=0).item() == pytest.approx((high - low) / 12**0.5, abs=0.1 * (high - low))


@pytest.mark.parametrize(("name", "gate"), [("cifg", 0), ("janet", 0), ("ugrnn", 0), ("peephole_lstm", 1)])
def test_a_cell_starts_so_as_to_keep(name, gate):
    assert (Recurrent(name, F, H).bias_ih_l0.split(H)[gate] == 1).all()
