"""PixelSAC: soft actor-critic (Haarnoja et al. 2018) with one method a loss, and each encoder passed once for it."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import numpy.typing as npt
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.type_aliases import DictReplayBufferSamples
from stable_baselines3.common.utils import update_learning_rate
from torch.nn import functional as F

from visual_her.encoders import Standardize
from visual_her.memory import keep_freed_memory
from visual_her.policy import encode as encode
from visual_her.policy import sample_action


class PixelSAC(SAC):
    """SB3's ``SAC`` with another ``train``; everything else (collection, prediction, logging) is SB3's.

    Works with ``DrQv2SACPolicy`` and, as controls, with SB3's own policies. Encoder passes an update: one with
    gradient on the observations, one online and one target pass without gradient on the next observations.

    Args:
        random_actions: fraction of uniformly random actions in collection, beside the policy's own noise.
        target_bounds: TD targets are clipped to this range; ``None`` leaves them.
        anneal_over: env steps over which learning rates fall linearly to ``LAST_RATE`` of what they were, if given.
        overlap: each update runs while the worker processes take the next step, whose actions were chosen before it.

    Attributes:
        updates_from: no update before this number of env steps. A run that is resumed without its buffer moves it;
            moving ``learning_starts`` instead would make SB3 act at random until then.
    """

    LAST_RATE = 0.1
    updates_from: int

    def __init__(
        self,
        *args: Any,
        random_actions: float = 0.0,
        target_bounds: tuple[float, float] | None = None,
        anneal_over: int | None = None,
        overlap: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        keep_freed_memory()
        self.overlap, self._due = overlap, (0, 0)
        if overlap:
            workers = self.env and self.env.unwrapped
            if not hasattr(workers, "meanwhile"):
                raise ValueError("overlap=True needs environments in other processes: use a WorkerVecEnv.")
            workers.meanwhile = self.catch_up  # type: ignore[union-attr]
        self.random_actions, self.target_bounds, self.anneal_over = random_actions, target_bounds, anneal_over
        self.updates_from = self.learning_starts
        if self.device.type == "cuda":  # to validate a distribution is to wait for the GPU, at every action
            torch.distributions.Distribution.set_default_validate_args(False)
        self._standardized = False
        self._losses: dict[str, list[torch.Tensor]] = {}

    def train(self, gradient_steps: int, batch_size: int = 64) -> None:
        """What SB3 calls after every vectorised step: ``update``, at once or while the next step is under way."""
        self._due = (gradient_steps, batch_size)
        if not self.overlap:
            self.catch_up()

    def catch_up(self) -> None:
        """The update that is due, if there is one."""
        due, self._due = self._due, (0, 0)
        if due[0]:
            self.update(*due)

    def learn(self, *args: Any, **kwargs: Any) -> Self:
        """SB3's; afterwards no update is due."""
        super().learn(*args, **kwargs)
        self.catch_up()
        return self

    def update(self, gradient_steps: int, batch_size: int) -> None:
        """``gradient_steps`` updates of critic, actor, temperature and target, in this order."""
        if self.num_timesteps <= self.updates_from or self.replay_buffer.size() == 0:  # type: ignore[union-attr]
            return
        self._fit_standardization()
        self.policy.set_training_mode(True)
        learning_rate = self.rate() * self.lr_schedule(self._current_progress_remaining)
        self.logger.record("train/learning_rate", learning_rate)
        for optimizer in (self.actor.optimizer, self.critic.optimizer):
            update_learning_rate(optimizer, learning_rate)
        for _ in range(gradient_steps):
            batch = self.replay_buffer.sample(batch_size)  # type: ignore[union-attr]
            critic_features, actor_features = encode(self.policy, batch.observations)
            self._critic_step(batch, critic_features)  # type: ignore[arg-type]
            log_prob = self._actor_step(critic_features.detach(), actor_features)
            self._temperature_step(log_prob)
            self._target_step()
        self._n_updates += gradient_steps

    def rate(self) -> float:
        """What the learning rates are multiplied by at this step."""
        return 1.0 if self.anneal_over is None else max(self.LAST_RATE, 1 - self.num_timesteps / self.anneal_over)

    def wait(self) -> None:
        """Ends whatever the agent does beside its updates: nothing here."""

    def stateful(self) -> dict[str, Any]:
        """What a checkpoint keeps: name -> module or optimizer. The policy holds actor, critic, target and encoders."""
        parts = {
            "policy": self.policy,
            "actor_optimizer": self.actor.optimizer,
            "critic_optimizer": self.critic.optimizer,
        }
        temperature = {} if self.ent_coef_optimizer is None else {"temperature_optimizer": self.ent_coef_optimizer}
        return {**parts, **temperature}

    def _critic_step(self, batch: DictReplayBufferSamples, features: torch.Tensor) -> None:
        """Mean squared TD error; with critic-encoder routing this is the only step that moves the encoder."""
        target = self._td_target(batch)
        inputs = torch.cat([features, batch.actions], dim=1)
        loss = 0.5 * sum(F.mse_loss(q_network(inputs), target) for q_network in self.critic.q_networks)
        self._minimise(loss, self.critic.optimizer)  # type: ignore[arg-type]
        self._record("critic_loss", loss)  # type: ignore[arg-type]
        parameters = list(self.critic.features_extractor.parameters())
        if parameters:
            gradients = [p.grad for p in parameters if p.grad is not None] or [features.new_zeros(1)]
            self._record("encoder_gradient", torch.stack(torch._foreach_norm(gradients)).norm())

    def _actor_step(self, critic_features: torch.Tensor, actor_features: torch.Tensor) -> torch.Tensor:
        """E[alpha log pi(a|s) - min Q(s, a)]; returns log pi (B,). ``critic_features`` carry no gradient."""
        actions, log_prob = sample_action(self.actor, actor_features)
        self._require_critic_gradient(False)  # no gradient is left behind in the critic, and none is computed
        inputs = torch.cat([critic_features, actions], dim=1)
        values = torch.cat([q_network(inputs) for q_network in self.critic.q_networks], dim=1).amin(dim=1)
        loss = (self._alpha() * log_prob - values).mean()
        self._minimise(loss, self.actor.optimizer)
        self._require_critic_gradient(True)
        self._record("actor_loss", loss)
        return log_prob.detach()

    def _temperature_step(self, log_prob: torch.Tensor) -> None:
        """Moves alpha towards the target entropy, where it is learned at all (the chapter fixes it at 0.05)."""
        if self.ent_coef_optimizer is not None and self.log_ent_coef is not None:
            loss = -(self.log_ent_coef * (log_prob + float(self.target_entropy))).mean()
            self._minimise(loss, self.ent_coef_optimizer)
            self._record("ent_coef_loss", loss)
        self._record("ent_coef", self._alpha())

    def _target_step(self) -> None:
        """Polyak averaging of the whole target critic, its encoder included."""
        with torch.no_grad():
            torch._foreach_lerp_(list(self.critic_target.parameters()), list(self.critic.parameters()), self.tau)

    @torch.no_grad()
    def _td_target(self, batch: DictReplayBufferSamples) -> torch.Tensor:
        """R + gamma^n (1 - terminated) (min Q'(s', a') - alpha log pi(a'|s')), (B, 1). A truncation bootstraps.

        R is the sum of the n rewards up to s', the state that far ahead; the replay buffer gives both, and gamma^n as
        ``discounts``, for it is fewer steps at an episode's end.
        """
        observations = batch.next_observations
        actor_features = self.actor.extract_features(observations, self.actor.features_extractor)
        actions, log_prob = sample_action(self.actor, actor_features)
        features = self.critic_target.extract_features(observations, self.critic_target.features_extractor)
        inputs = torch.cat([features, actions], dim=1)
        values = torch.cat([q_network(inputs) for q_network in self.critic_target.q_networks], dim=1)
        soft_value = values.amin(dim=1, keepdim=True) - self._alpha() * log_prob[:, None]
        discounts = self.gamma if batch.discounts is None else batch.discounts
        target = batch.rewards + (1 - batch.dones) * discounts * soft_value
        return target if self.target_bounds is None else target.clamp(*self.target_bounds)

    def _sample_action(
        self, learning_starts: int, action_noise: Any = None, n_envs: int = 1
    ) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """SB3's, and for a fraction of the environments a uniformly random action instead (HER, section 4.2)."""
        action, buffer_action = super()._sample_action(learning_starts, action_noise, n_envs)
        rng = self.action_space.np_random
        for env in np.flatnonzero(rng.random(n_envs) < self.random_actions) if self.random_actions else ():
            buffer_action[env] = rng.uniform(-1, 1, buffer_action.shape[1:])
            action[env] = self.policy.unscale_action(buffer_action[env])
        return action, buffer_action

    def _fit_standardization(self) -> None:
        """Sets the vectors' statistics before the first update, from the warm-up episodes; the goals share theirs."""
        if self._standardized:  # asking a tensor on a GPU would wait for it, at every update
            return
        self._standardized = True
        for extractor in {part.features_extractor for part in (self.actor, self.critic, self.critic_target)}:
            standardize: Standardize | None = getattr(extractor, "standardize", None)
            if standardize is None or standardize.fitted:
                continue
            statistics = self.replay_buffer.vector_statistics()  # type: ignore[union-attr]
            pairs = [statistics[key] for key in extractor.vector_keys]  # type: ignore[union-attr]
            mean, scale = (np.concatenate(part) for part in zip(*pairs, strict=True))
            standardize.set(torch.as_tensor(mean), torch.as_tensor(scale))

    def _alpha(self) -> torch.Tensor:
        return self.ent_coef_tensor if self.log_ent_coef is None else self.log_ent_coef.detach().exp()

    def _require_critic_gradient(self, required: bool) -> None:
        for q_network in self.critic.q_networks:
            q_network.requires_grad_(required)

    @staticmethod
    def _minimise(loss: torch.Tensor, optimizer: torch.optim.Optimizer) -> None:
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()

    def _record(self, name: str, value: torch.Tensor) -> None:
        """Keeps a loss as a tensor: reading it at every update would wait for the GPU."""
        self._losses.setdefault(name, []).append(value.detach())

    def dump_logs(self) -> None:
        """Writes SB3's figures, and the means of the losses since the last time."""
        for name, values in self._losses.items():
            self.logger.record(f"train/{name}", float(torch.stack(values).mean()))
        self._losses.clear()
        self.logger.record("train/n_updates", self._n_updates)
        super().dump_logs()

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "_losses"]
