"""GRD: which loss moves which parameter. Everything is stated as what a step changes, and what it does not."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from visual_her_spec.batches import (
    Array,
    Parameters,
    largest_change,
    listed,
    make_agent,
    random_batch,
    step_gap,
    still,
)
from visual_her_spec.catalogue import requirement
from visual_her_spec.protocol import AgentProbe, Capability, Implementation

ROUTING = "chapter section 9.6; Yarats et al. 2021, arXiv:2107.09645"


def _critic_steps(agent: AgentProbe, count: int = 3) -> tuple[Parameters, Parameters]:
    """The parameters before and after some critic steps."""
    before = agent.parameters()
    for seed in range(count):
        agent.update_critic(random_batch(seed=seed, terminated=0.0))
    return before, agent.parameters()


def _actor_steps(agent: AgentProbe, count: int = 3) -> tuple[Parameters, Parameters]:
    """The parameters before and after some actor steps."""
    before = agent.parameters()
    for seed in range(count):
        agent.update_actor(random_batch(seed=seed))
    return before, agent.parameters()


def _reloaded(impl: Implementation, folder: Path) -> AgentProbe:
    """An agent that took some steps and was saved and loaded."""
    agent = make_agent(impl)
    _critic_steps(agent)
    agent.save(folder / "agent.zip")
    return impl.load_agent(folder / "agent.zip")


# ---------------------------------------------------------------------------------------- the critic's step


@requirement(
    "GRD-001",
    "A critic step MUST change every parameter of the encoder.",
    reason="an encoder that no loss trains looks like patience for a day of GPU time",
    source=f"{ROUTING}; DLR-RM/stable-baselines3#691",
)
def test_critic_step_moves_the_encoder(impl: Implementation) -> None:
    before, after = _critic_steps(make_agent(impl))
    frozen = still(before, after, "encoder")
    assert not frozen, (
        f"critic steps left {listed(frozen)} of {len(before['encoder'])} encoder parameters where they were: put the "
        "encoder into the critic's optimizer, and keep its features attached in the critic's loss"
    )


@requirement(
    "GRD-002",
    "A critic step MUST change every parameter of every critic.",
    reason="a second critic that never learns makes the minimum of the two meaningless",
    source="Fujimoto et al. 2018, arXiv:1802.09477",
)
def test_critic_step_moves_the_critics(impl: Implementation) -> None:
    before, after = _critic_steps(make_agent(impl))
    frozen = still(before, after, "critic")
    assert not frozen, (
        f"critic steps left {listed(frozen)} critic parameters where they were: give every critic a loss, and put all "
        "of them into the optimizer"
    )


@requirement(
    "GRD-003",
    "A critic step MUST leave the actor bit for bit as it was.",
    reason="the next action of the TD target is not there to be trained",
    source=ROUTING,
)
def test_critic_step_leaves_the_actor(impl: Implementation) -> None:
    name, change = largest_change(*_critic_steps(make_agent(impl)), "actor")
    assert change == 0, f"the critic's loss changed {name} by up to {change:.1g}: step the critic's optimizer only"


@requirement(
    "GRD-004",
    "A critic step MUST leave the target critic bit for bit as it was.",
    reason="a target that moves with its critic is none: values diverge",
    source="Mnih et al. 2015; DLR-RM/stable-baselines3#135",
)
def test_critic_step_leaves_the_target_critic(impl: Implementation) -> None:
    name, change = largest_change(*_critic_steps(make_agent(impl)), "target_critic")
    assert change == 0, f"a critic step changed {name} by up to {change:.1g}: give the target copies of its own"


@requirement(
    "GRD-005",
    "A critic step MUST leave the target's encoder bit for bit as it was.",
    reason="a target that shares the online encoder moves with every step, whatever tau is",
    source="chapter section 9.6; DLR-RM/stable-baselines3#135",
    capability=Capability.TARGET_ENCODER,
)
def test_critic_step_leaves_the_target_encoder(impl: Implementation) -> None:
    name, change = largest_change(*_critic_steps(make_agent(impl)), "target_encoder")
    assert change == 0, f"a critic step changed {name} by up to {change:.1g}: give the target an encoder of its own"


@requirement(
    "GRD-006",
    "A critic step MUST change what the actor does: the actor reads the one encoder that the critic trains.",
    reason="an actor with an encoder of its own and a detached gradient sees through random weights for ever",
    source=ROUTING,
    capability=Capability.CRITIC_ENCODER,
)
def test_actor_reads_the_critics_encoder(impl: Implementation) -> None:
    agent = make_agent(impl)
    observations = random_batch(seed=9).observations
    before = agent.act(observations, deterministic=True)
    _critic_steps(agent)
    change = float(np.abs(agent.act(observations, deterministic=True) - before).max())
    assert change > 0, "critic steps do not change the actions: let the actor read the critic's encoder, detached"


@requirement(
    "GRD-007",
    "Repeated critic steps on one batch MUST bring the critics nearer to each TD target than the mean target is.",
    reason="a wrong sign or a loss against something else moves parameters, too",
    source=ROUTING,
)
def test_critic_steps_learn(impl: Implementation) -> None:
    agent = make_agent(impl)
    batch = random_batch()  # everything terminates: the rewards are the targets

    def error() -> float:
        return float(((agent.q_values(batch.observations, batch.actions) - batch.rewards[:, None]) ** 2).mean())

    before, of_the_mean = error(), float(batch.rewards.var())
    for step in range(200):
        agent.update_critic(batch)
        if step % 20 == 19 and error() < 0.9 * min(before, of_the_mean):
            break
    after = error()
    assert after < 0.9 * min(before, of_the_mean), (
        f"{step + 1} critic steps on one batch took the squared TD error from {before:.3g} to {after:.3g}, where the "
        f"batch's mean target alone leaves {of_the_mean:.3g}: minimise the squared distance of each Q-value from its "
        "own transition's target, both of one shape"
    )


# ----------------------------------------------------------------------------------------- the actor's step


@requirement(
    "GRD-008",
    "An actor step MUST leave every parameter that the critic reads bit for bit as it was: encoder and critics.",
    reason="the actor's loss pulls features to where the critic errs upwards",
    source=f"{ROUTING}; DLR-RM/stable-baselines3#691",
)
def test_actor_step_leaves_what_the_critic_reads(impl: Implementation) -> None:
    agent = make_agent(impl)
    _critic_steps(agent)  # gradients and moments of the critic's are there to be stepped by accident
    name, change = largest_change(*_actor_steps(agent), "encoder", "critic")
    assert change == 0, (
        f"the actor's loss changed {name} by up to {change:.1g}: detach the features, and keep encoder and critics "
        "out of the actor's optimizer"
    )


@requirement(
    "GRD-009",
    "An actor step MUST change every parameter of the actor.",
    reason="an actor that is cut off from its loss leaves the critic bit-identical, too",
    source=ROUTING,
)
def test_actor_step_moves_the_actor(impl: Implementation) -> None:
    before, after = _actor_steps(make_agent(impl))
    frozen = still(before, after, "actor")
    assert not frozen, f"actor steps left {listed(frozen)} actor parameters where they were: optimise all of the actor"


@requirement(
    "GRD-010",
    "An actor step MUST NOT leave anything behind for the next critic step: after one at learning rate 0, a critic "
    "step equals one without it.",
    reason="the gradient of the actor's loss through Q accumulates in critic and encoder until it is cleared",
    source="facebookresearch/drqv2, update_actor; chapter section 9.6",
)
def test_no_stale_gradient(impl: Implementation) -> None:
    batch = random_batch()
    outcomes = []
    for actor_first in (False, True):
        agent = make_agent(impl)
        start = agent.parameters()
        if actor_first:
            agent.update_actor(batch, learning_rate=0.0)
        agent.update_critic(batch)  # everything terminates: sampled actions play no part
        outcomes.append(agent.parameters())
    gap = step_gap(start, outcomes[0], outcomes[1], "encoder", "critic")
    assert gap < 1e-3, (
        f"an actor step at learning rate 0 changes {gap:.0%} of the next critic step: clear the critic's and the "
        "encoder's gradients before the critic's backward pass"
    )


# ----------------------------------------------------------------------------------------------- optimizers


def _holders(agent: AgentProbe) -> dict[str, list[str]]:
    """``role/name`` -> the optimizers that hold it, as often as they do."""
    holders: dict[str, list[str]] = {}
    for optimizer, held in agent.optimizers().items():
        for name in held:
            holders.setdefault(name, []).append(optimizer)
    return holders


def _names(agent: AgentProbe, *roles: str) -> list[str]:
    return [f"{role}/{name}" for role, named in agent.parameters().items() if role in roles for name in named]


@requirement(
    "GRD-011",
    "Every parameter of actor and critics MUST be in exactly one optimizer, once.",
    reason="twice optimised is stepped with two sets of moments, and not optimised is never stepped",
    source="DLR-RM/stable-baselines3#198",
)
def test_heads_are_optimised_once(impl: Implementation) -> None:
    agent = make_agent(impl)
    holders = _holders(agent)
    wrong = [f"{name} {len(holders.get(name, []))} times" for name in _names(agent, "actor", "critic")]
    wrong = [entry for entry in wrong if not entry.endswith(" 1 times")]
    assert not wrong, f"optimizers hold {listed(wrong)}: hold each parameter of actor and critics once"


@requirement(
    "GRD-012",
    "The encoder MUST be in exactly one optimizer, once, and that one MUST be the critic's.",
    reason="in the actor's optimizer it is trained by the wrong loss, in both by both",
    source=f"{ROUTING}; DLR-RM/stable-baselines3#2006",
    capability=Capability.CRITIC_ENCODER,
)
def test_encoder_is_in_the_critics_optimizer(impl: Implementation) -> None:
    agent = make_agent(impl)
    holders = _holders(agent)
    actors = {holder for name in _names(agent, "actor") for holder in holders.get(name, [])}
    actors -= {holder for name in _names(agent, "critic") for holder in holders.get(name, [])}  # one for everything
    for name in _names(agent, "encoder"):
        held = holders.get(name, [])
        assert len(held) == 1, (
            f"{name} is held {len(held)} times ({', '.join(held) or 'nowhere'}): once, with the critic"
        )
        assert held[0] not in actors, f"{name} is in {held[0]!r}, the actor's optimizer: move it to the critic's"


@requirement(
    "GRD-013",
    "No target parameter MUST be in an optimizer.",
    reason="targets follow by averaging; even without a gradient, weight decay would move them",
    source="Mnih et al. 2015",
)
def test_targets_are_not_optimised(impl: Implementation) -> None:
    agent = make_agent(impl)
    held = sorted(set(_holders(agent)) & set(_names(agent, "target_critic", "target_encoder")))
    assert not held, f"optimizers hold {listed(held)}: leave the target out of them"


# ----------------------------------------------------------------------------------------------- the target


def _pairs(parameters: Parameters, role: str) -> list[tuple[str, Array, Array]]:
    """(name, target, online) of each target parameter; paired by name, or by order where names differ."""
    target, online = parameters.get(f"target_{role}", {}), parameters.get(role, {})
    assert len(target) == len(online) > 0, (
        f"the target has {len(target)} {role} parameters, and {len(online)} are online: copy all of them"
    )
    names = target if target.keys() == online.keys() else online
    return [(name, value, online[other]) for (name, value), other in zip(target.items(), names, strict=True)]


def _check_starts_equal(impl: Implementation, role: str) -> None:
    off = [
        name
        for name, target, online in _pairs(make_agent(impl).parameters(), role)
        if not np.array_equal(target, online)
    ]
    assert not off, f"{listed(off)} target {role} parameters of a new agent are not the online ones: copy the weights"


def _check_polyak(impl: Implementation, role: str) -> None:
    agent = make_agent(impl)
    _critic_steps(agent, 5)  # so that target and online differ
    before = _pairs(agent.parameters(), role)
    agent.update_target()
    after = _pairs(agent.parameters(), role)
    for (name, old, online), (_, new, _) in zip(before, after, strict=True):
        old, online, new = (np.asarray(array, np.float64) for array in (old, online, new))
        way = online - old
        tolerance = 3e-7 * np.maximum(np.abs(old), np.abs(online)) + 1e-3 * impl.tau * np.abs(way)  # float32 rounds
        off = np.abs(new - old - impl.tau * way) - tolerance
        share = float((new - old).ravel() @ way.ravel() / max(float(way.ravel() @ way.ravel()), 1e-30))
        assert off.max() <= 0, (
            f"update_target moved {role} parameter {name} by {share:.4g} of the way to the online one, not by "
            f"tau = {impl.tau:g}: target = (1 - tau) target + tau online, for every parameter"
        )


@requirement(
    "GRD-014",
    "The target critic of a new agent MUST equal the online one.",
    reason="otherwise the first targets are another random function's",
    source="Mnih et al. 2015",
)
def test_target_critic_starts_equal(impl: Implementation) -> None:
    _check_starts_equal(impl, "critic")


@requirement(
    "GRD-015",
    "The target's encoder of a new agent MUST equal the online one, in every parameter.",
    reason="a target critic on a random encoder of its own regresses to noise, which tau makes last",
    source="chapter section 9.6",
    capability=Capability.TARGET_ENCODER,
)
def test_target_encoder_starts_equal(impl: Implementation) -> None:
    _check_starts_equal(impl, "encoder")


@requirement(
    "GRD-016",
    "update_target MUST move every target critic parameter by tau of the way to the online one.",
    reason="a swapped tau makes the target the online critic, and then values diverge",
    source="Lillicrap et al. 2016, arXiv:1509.02971",
)
def test_target_critic_follows(impl: Implementation) -> None:
    _check_polyak(impl, "critic")


@requirement(
    "GRD-017",
    "update_target MUST move every parameter of the target's encoder by tau, convolutions and temperature included.",
    reason="a target encoder that stays random is averaged with nothing, and its critic follows another input",
    source="chapter section 9.6; hill-a/stable-baselines#871",
    capability=Capability.TARGET_ENCODER,
)
def test_target_encoder_follows(impl: Implementation) -> None:
    _check_polyak(impl, "encoder")


# --------------------------------------------------------------------------------------- after save and load


@requirement(
    "GRD-018",
    "After loading, a critic step MUST move every encoder and critic parameter, and with them the Q-values.",
    reason="an optimizer that holds the tensors from before loading trains nobody, and a resumed run stands still",
    source="DLR-RM/stable-baselines3#1526",
)
def test_loaded_critic_trains(impl: Implementation, tmp_path: Path) -> None:
    agent = _reloaded(impl, tmp_path)
    batch = random_batch(seed=9)
    q_values = agent.q_values(batch.observations, batch.actions)
    before, after = _critic_steps(agent)
    frozen = [f"{role}/{name}" for role in ("encoder", "critic") for name in still(before, after, role)]
    advice = "fill the weights in place, or make the optimizers after loading"
    assert not frozen, f"critic steps after loading leave {listed(frozen)} parameters where they were: {advice}"
    moved = np.abs(agent.q_values(batch.observations, batch.actions) - q_values).max()
    assert moved > 0, f"critic steps after loading do not change the Q-values: {advice}"


@requirement(
    "GRD-019",
    "After loading, an actor step MUST change what the actor does, and MUST leave encoder and critics bit for bit.",
    reason="a loader that rebuilds the optimizers has the routing to get wrong once more",
    source=f"{ROUTING}; DLR-RM/stable-baselines3#1526",
)
def test_loaded_actor_trains_alone(impl: Implementation, tmp_path: Path) -> None:
    agent = _reloaded(impl, tmp_path)
    observations = random_batch(seed=9).observations
    acts = agent.act(observations, deterministic=True)
    name, change = largest_change(*_actor_steps(agent), "encoder", "critic")
    assert change == 0, (
        f"after loading, the actor's loss changed {name} by up to {change:.1g}: load into the same routing"
    )
    moved = np.abs(agent.act(observations, deterministic=True) - acts).max()
    assert moved > 0, "actor steps after loading do not change the actions: the actor's optimizer holds other tensors"


@requirement(
    "GRD-020",
    "After loading, a critic step MUST change what the actor does.",
    reason="a loaded actor may have been given an encoder of its own, which nothing trains from then on",
    source=ROUTING,
    capability=Capability.CRITIC_ENCODER,
)
def test_loaded_actor_reads_the_critics_encoder(impl: Implementation, tmp_path: Path) -> None:
    agent = _reloaded(impl, tmp_path)
    observations = random_batch(seed=9).observations
    acts = agent.act(observations, deterministic=True)
    _critic_steps(agent)
    moved = np.abs(agent.act(observations, deterministic=True) - acts).max()
    assert moved > 0, (
        "after loading, critic steps do not change the actions: let actor and critic share the loaded encoder"
    )
