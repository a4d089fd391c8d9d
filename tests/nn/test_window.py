"""The window over a text: its formula, its advance, and that pieces see what the whole sees."""

from __future__ import annotations

import torch

from elman.nn.soft_window import SoftWindow, WindowText


def made() -> tuple[SoftWindow, WindowText, torch.Tensor]:
    torch.manual_seed(0)
    inside = torch.arange(6)[:, None] < torch.tensor([6, 4])
    return SoftWindow(5, 3, 0.4), WindowText(torch.randn(6, 2, 7), inside), torch.randn(9, 2, 5)


def test_it_is_what_its_formula_says():
    window, script, hidden = made()
    seen = window(hidden, script, window.start(2))
    place = torch.zeros(2, 3)
    for step in range(9):
        alpha, beta, advance = torch.nn.functional.softplus(window.say(hidden[step])).chunk(3, -1)
        place = place + advance
        for text in range(2):
            for character in range(6):
                off = place[text] - (character + 1)
                weight = (alpha[text] * torch.exp(-beta[text] * off * off)).sum()
                weight = weight * script.inside[character, text]
                torch.testing.assert_close(seen.weights[step, text, character], weight)
    context = (seen.weights.permute(0, 2, 1)[..., None] * script.values).sum(1)
    torch.testing.assert_close(seen.context, context)
    torch.testing.assert_close(seen.place, place)


def test_pieces_see_what_the_whole_sees():
    window, script, hidden = made()
    whole = window(hidden, script, window.start(2))
    first = window(hidden[:4], script, window.start(2))
    second = window(hidden[4:], script, first.place)
    torch.testing.assert_close(torch.cat([first.weights, second.weights]), whole.weights)
    torch.testing.assert_close(second.place, whole.place)


def test_it_only_advances_and_starts_at_the_pace_of_the_data():
    window, script, hidden = made()
    places = torch.stack([window(hidden[:steps], script, window.start(2)).place for steps in range(1, 10)])
    assert (places.diff(dim=0) > 0).all()
    calm = window(torch.zeros(10, 2, 5), script, window.start(2)).place
    torch.testing.assert_close(calm, torch.full((2, 3), 4.0), atol=0.5, rtol=0)


def test_nothing_is_seen_beyond_a_text():
    window, script, hidden = made()
    weights = window(hidden, script, window.start(2)).weights
    assert not weights[:, 1, 4:].any()
    assert (weights[:, 0] > 0).all()
