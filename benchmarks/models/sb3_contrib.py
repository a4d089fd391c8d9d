"""sb3-contrib: RecurrentPPO, an agent with an LSTM of its own for what it does and for what it expects."""

from __future__ import annotations

import gymnasium
import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback
from torch import Tensor

from models.base import Case

STEPS, ASKED = 256, 300


class Losses(BaseCallback):
    """Keeps the loss of each round of steps in the world and learning from them."""

    def __init__(self) -> None:
        super().__init__()
        self.losses: list[float] = []

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        self._keep()

    def _on_training_end(self) -> None:
        self._keep()

    def _keep(self) -> None:
        if "train/loss" in self.logger.name_to_value:
            self.losses.append(float(self.logger.name_to_value["train/loss"]))


def agent() -> Case:
    """With the package's own sizes, on a pole that stands on a cart."""
    model = RecurrentPPO(
        "MlpLstmPolicy", "CartPole-v1", n_steps=STEPS // 2, batch_size=128, seed=1, device="cpu"
    )
    world = gymnasium.make("CartPole-v1")

    def train() -> list[float]:
        model.set_random_seed(1)
        model._last_obs = None  # begin in a world that was begun anew
        model.policy.optimizer.state.clear()  # what it remembers of an earlier training
        losses = Losses()
        model.learn(STEPS, callback=losses)
        return losses.losses

    def predict() -> Tensor:
        seen, _ = world.reset(seed=1)
        state, begins, found = None, np.ones(1, dtype=bool), []
        for _ in range(ASKED):
            action, state = model.predict(seen, state, begins, deterministic=True)
            seen, _, over, cut, _ = world.step(int(action))
            begins = np.array([over or cut])
            found.append(torch.tensor(state[0]).flatten())
            if begins:
                seen, _ = world.reset(seed=1)
        return torch.stack(found)

    return Case(model.policy, train, predict, f"{STEPS} steps of the world; {ASKED} steps")


MODELS = {"RecurrentPPO": agent}
