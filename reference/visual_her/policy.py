"""Who trains the encoder. This file is the whole answer; read ``encode`` first.

Critic-encoder routing (DrQ-v2, arXiv:2107.09645; chapter section 9.6): one encoder, in the critic's optimizer only,
trained by the critic's loss. The actor reads its features detached. The target critic owns a copy of the encoder,
which follows by Polyak averaging like the rest of it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from gymnasium import spaces
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
from stable_baselines3.common.type_aliases import PyTorchObs, Schedule
from stable_baselines3.sac.policies import Actor, MultiInputPolicy, SACPolicy

from visual_her.encoders import ManipulationExtractor


def encode(policy: SACPolicy, observations: PyTorchObs) -> tuple[torch.Tensor, torch.Tensor]:
    """Features for the critic's loss and for the actor's loss: where each loss's gradient goes is decided here.

    Args:
        policy: ``DrQv2SACPolicy``, or SB3's own policy with a shared or with separate features extractors.
        observations: a batch as the replay buffer returns it, on the policy's device.

    Returns:
        (B, F) for the critic and (B, F) for the actor. Each encoder is passed once.
    """
    critic, actor = policy.critic, policy.actor
    if isinstance(policy, DrQv2SACPolicy):  # critic-encoder: the critic's loss trains the one encoder
        features = critic.extract_features(observations, critic.features_extractor)
        return features, features.detach()
    if policy.share_features_extractor:  # SB3's shared extractor: the actor's loss trains the one encoder
        features = actor.extract_features(observations, actor.features_extractor)
        return features.detach(), features
    # SB3's default: each trains its own
    return (
        critic.extract_features(observations, critic.features_extractor),
        actor.extract_features(observations, actor.features_extractor),
    )


class CriticEncoderCritic(ContinuousCritic):
    """Q-networks whose loss trains the encoder.

    SB3's own ``forward`` switches gradients on or off for the encoder whatever its caller asked for; here the
    caller's mode holds, so that a target under ``torch.no_grad`` builds no graph.
    """

    def forward(self, obs: PyTorchObs, actions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Q-values (B, 1) of each critic."""
        features = self.extract_features(obs, self.features_extractor)
        return tuple(q_network(torch.cat([features, actions], dim=1)) for q_network in self.q_networks)


class CriticEncoderActor(Actor):
    """A policy head that reads the critic's encoder and never sends a gradient into it."""

    def extract_features(self, obs: PyTorchObs, features_extractor: BaseFeaturesExtractor) -> torch.Tensor:
        """(B, F), detached."""
        return super().extract_features(obs, features_extractor).detach()


class DrQv2SACPolicy(MultiInputPolicy):
    """SAC policy with critic-encoder routing, for any SB3 ``SAC``: ``SAC(DrQv2SACPolicy, env, ...)``.

    Loading keeps the routing: the optimizers are built over the same tensors in the same way, then filled.

    Args:
        observation_space: a Dict space.
        action_space: a Box.
        lr_schedule: learning rate of encoder and heads, given by SB3.
        features_extractor_class: the encoder; ``ManipulationExtractor`` if nothing else is said.
        **kwargs: any other argument of SB3's ``MultiInputPolicy`` but ``share_features_extractor``.

    Raises:
        ValueError: ``share_features_extractor`` is given: this class decides it.
    """

    def __init__(
        self,
        observation_space: spaces.Dict,
        action_space: spaces.Box,
        lr_schedule: Schedule,
        features_extractor_class: type[BaseFeaturesExtractor] = ManipulationExtractor,
        **kwargs: Any,
    ) -> None:
        if "share_features_extractor" in kwargs:
            raise ValueError("DrQv2SACPolicy decides the routing itself: leave share_features_extractor out.")
        super().__init__(
            observation_space, action_space, lr_schedule, features_extractor_class=features_extractor_class, **kwargs
        )

    def _build(self, lr_schedule: Schedule) -> None:
        self.critic = self.make_critic()
        self.actor = self.make_actor(self.critic.features_extractor)
        self.critic_target = self.make_critic()  # with an encoder of its own
        self.critic_target.load_state_dict(self.critic.state_dict())
        self.critic_target.set_training_mode(False)
        encoder = {id(parameter) for parameter in self.critic.features_extractor.parameters()}
        head = [parameter for parameter in self.actor.parameters() if id(parameter) not in encoder]
        rate = {"lr": lr_schedule(1), **self.optimizer_kwargs}
        self.actor.optimizer = self.optimizer_class(head, **rate)
        self.critic.optimizer = self.optimizer_class(self.critic.parameters(), **rate)  # the encoder is in here

    def make_actor(self, features_extractor: BaseFeaturesExtractor | None = None) -> Actor:
        """An actor on the given encoder."""
        return CriticEncoderActor(**self._update_features_extractor(self.actor_kwargs, features_extractor)).to(
            self.device
        )

    def make_critic(self, features_extractor: BaseFeaturesExtractor | None = None) -> ContinuousCritic:
        """A critic with the given encoder, or one of its own."""
        return CriticEncoderCritic(**self._update_features_extractor(self.critic_kwargs, features_extractor)).to(
            self.device
        )


class GradientFlow(NamedTuple):
    """Norm of the gradient that reaches the encoder's parameters, from each loss alone."""

    critic: float
    actor: float


def verify_gradient_flow(policy: SACPolicy, observations: PyTorchObs | None = None, seed: int = 0) -> GradientFlow:
    """Measures which loss reaches an encoder, the critic's or the actor's, on one batch (chapter exercise 5).

    Nothing is updated, and no gradient is left behind.

    Args:
        policy: any SB3 SAC policy.
        observations: a batch on the policy's device; 8 random observations if ``None``.
        seed: of the random observations, actions and targets.

    Returns:
        The norms over the encoders of critic and actor together. Critic-encoder routing has ``actor == 0``.
    """
    generator = torch.Generator().manual_seed(seed)
    if observations is None:
        space: spaces.Dict = policy.observation_space  # type: ignore[assignment]
        observations = {key: _random_batch(box, generator).to(policy.device) for key, box in space.spaces.items()}
    modules = (policy.critic.features_extractor, policy.actor.features_extractor)
    encoder = list({id(p): p for module in modules for p in module.parameters() if p.requires_grad}.values())
    norms = []
    for loss_of in (_probe_critic_loss, _probe_actor_loss):
        loss = loss_of(policy, observations, generator)
        gradients = torch.autograd.grad(loss, encoder, allow_unused=True) if encoder else ()
        norms.append(sum(float(g.square().sum()) for g in gradients if g is not None) ** 0.5)
    return GradientFlow(*norms)


def _random_batch(space: spaces.Space[Any], generator: torch.Generator, batch: int = 8) -> torch.Tensor:
    shape = (batch, *(space.shape or ()))
    if space.dtype == "uint8":
        return torch.randint(0, 256, shape, generator=generator, dtype=torch.uint8)
    return torch.randn(shape, generator=generator)


def _probe_critic_loss(policy: SACPolicy, observations: PyTorchObs, generator: torch.Generator) -> torch.Tensor:
    features, _ = encode(policy, observations)
    actions = torch.rand(len(features), policy.action_space.shape[0], generator=generator) * 2 - 1  # type: ignore[index]
    inputs = torch.cat([features, actions.to(policy.device)], dim=1)
    target = -10 * torch.rand(len(features), 1, generator=generator).to(policy.device)
    losses = [((q(inputs) - target) ** 2).mean() for q in policy.critic.q_networks]
    return torch.stack(losses).sum()


def _probe_actor_loss(policy: SACPolicy, observations: PyTorchObs, generator: torch.Generator) -> torch.Tensor:
    del generator  # the sampled action's noise does not decide where a gradient flows
    critic_features, actor_features = encode(policy, observations)
    actions, log_prob = sample_action(policy.actor, actor_features)
    inputs = torch.cat([critic_features.detach(), actions], dim=1)
    values = torch.cat([q(inputs) for q in policy.critic.q_networks], dim=1).amin(dim=1)
    return (log_prob - values).mean()


def sample_action(actor: Actor, features: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """A reparametrised action (B, A) in [-1, 1] and its log-probability (B,), from features of ``encode``."""
    latent = actor.latent_pi(features)
    log_std = actor.log_std(latent).clamp(-20, 2)  # type: ignore[operator]
    action, log_prob = actor.action_dist.log_prob_from_params(actor.mu(latent), log_std)  # type: ignore[call-arg]
    return action, log_prob
