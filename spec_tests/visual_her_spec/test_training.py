"""TRN: what an update regresses to, what the actor is paid for, and what a seed decides."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from visual_her_spec.batches import (
    Array,
    Parameters,
    largest_change,
    make_agent,
    random_batch,
    step_gap,
    tile,
)
from visual_her_spec.catalogue import Profile, requirement
from visual_her_spec.protocol import AgentProbe, Batch, Capability, Implementation, Observations

SAC = "Haarnoja et al. 2018, arXiv:1812.05905"
SAMPLES = 256  # of the policy's action in one state
NOISE = 0.03  # beyond what SAMPLES leave of a TD target's or an entropy's sampling error


# ---------------------------------------------------------------------------------------------- TD target


@dataclass(frozen=True)
class _Values:
    """What sampled actions of one state are worth on average, by the online critics, and their entropy in nats."""

    smallest: float
    mean: float
    largest: float
    entropy: float

    @property
    def by_critics(self) -> tuple[float, float]:
        """By the smaller critic and by their mean; which one a target takes is the chapter's choice, see TRN-004."""
        return self.smallest, self.mean


def _entropy(samples: Array) -> float:
    """Differential entropy of (N,) samples of any distribution, by their spacings (Vasicek 1976)."""
    ordered, window = np.sort(np.asarray(samples, np.float64)), round(len(samples) ** 0.5)
    spacings = np.maximum(ordered[window:] - ordered[:-window], 1e-6)
    return float(np.log(spacings * (len(ordered) + 1) / window).mean())


def _values(agent: AgentProbe, state: Observations) -> _Values:
    """Of one state, given many times. Actions of a state are independent of each other along their dimensions."""
    actions = agent.act(state, deterministic=False)
    q_values = agent.q_values(state, actions)
    return _Values(
        smallest=float(q_values.min(axis=1).mean()),
        mean=float(q_values.mean(axis=1).mean()),
        largest=float(q_values.max(axis=1).mean()),
        entropy=sum(_entropy(actions[:, axis]) for axis in range(actions.shape[1])),
    )


def _mean_target(agent: AgentProbe, batch: Batch, state: Observations) -> float:
    """The TD target of the batch's first transition if it led to ``state``, averaged over next actions."""
    return float(
        agent.td_target(
            Batch(
                observations=tile(batch.observations, 0, SAMPLES),
                actions=np.repeat(batch.actions[:1], SAMPLES, axis=0),
                next_observations=dict(state),
                rewards=np.repeat(batch.rewards[:1], SAMPLES),
                terminated=np.repeat(batch.terminated[:1], SAMPLES),
            )
        ).mean()
    )


@requirement(
    "TRN-001",
    "The TD target of a transition that terminated MUST be its reward.",
    reason="nothing comes after it",
    source=SAC,
)
def test_terminated_target_is_the_reward(impl: Implementation) -> None:
    batch = random_batch(terminated=1.0)
    off = float(np.abs(make_agent(impl).td_target(batch) - batch.rewards).max())
    assert off < 1e-6, (
        f"a TD target at a termination is {off:.3g} off the reward: multiply the next value by 1 - terminated"
    )


@requirement(
    "TRN-002",
    "The TD target of a transition that did not terminate, a truncated one included, MUST add gamma times the "
    "next value.",
    reason="without the next value nothing is learned but the reward; with another discount, another task",
    source="Pardo et al. 2018, arXiv:1712.00378",
)
def test_target_bootstraps_with_gamma(impl: Implementation) -> None:
    agent = make_agent(impl)
    batch = random_batch()
    good = np.arange(len(batch.rewards)) % 2
    lesson = dataclasses.replace(batch, rewards=(-10 + 10 * good).astype(np.float32))
    for _ in range(40):
        agent.update_critic(lesson)  # half of the states are worth more, by far more than sampling errors
    for _ in range(math.ceil(8 / impl.tau)):
        agent.update_target()  # as good as equal to the online critics, which q_values shows
    batch = dataclasses.replace(batch, terminated=np.zeros_like(batch.terminated))
    q_values = agent.q_values(batch.observations, batch.actions).min(axis=1)
    worst, best = (tile(batch.observations, int(index), SAMPLES) for index in (q_values.argmin(), q_values.argmax()))
    gain = _mean_target(agent, batch, best) - _mean_target(agent, batch, worst)
    low, high = _values(agent, worst), _values(agent, best)
    bonus = impl.entropy_coefficient * (high.entropy - low.entropy)
    gains = [impl.gamma * (more - less + bonus) for more, less in zip(high.by_critics, low.by_critics, strict=True)]
    expected = min(gains, key=lambda value: abs(gain - value))
    assert abs(gain - expected) < NOISE + 0.01 * abs(expected), (
        f"the better of two next states raises the TD target by {gain:.3f}, not by {expected:.3f}, gamma = "
        f"{impl.gamma:g} of its value: target = r + gamma (1 - terminated) V'(s'), and a truncation is no termination"
    )


@requirement(
    "TRN-003",
    "The TD target MUST contain the entropy bonus -alpha log pi of the next action, with this sign.",
    reason="the other sign pays the policy for collapsing, and a missing tanh correction pays it for saturating",
    source=SAC,
)
def test_target_pays_for_entropy(impl: Implementation) -> None:
    agent = make_agent(impl)
    batch = random_batch(terminated=0.0, reward=-1.0)
    for _ in range(40):
        agent.update_critic(random_batch(4, reward=-3.0))  # HER clips targets to the possible, [-1 / (1 - gamma), 0]
    for _ in range(math.ceil(8 / impl.tau)):
        agent.update_target()  # as good as equal to the online critics, which q_values shows
    state = tile(batch.next_observations, 0, SAMPLES)
    values = _values(agent, state)
    soft_value = (_mean_target(agent, batch, state) - float(batch.rewards[0])) / impl.gamma
    expected = impl.entropy_coefficient * values.entropy
    bonus = min((soft_value - value for value in values.by_critics), key=lambda value: abs(value - expected))
    assert abs(bonus - expected) < NOISE, (
        f"the TD target holds an entropy bonus of {bonus:.3f}, not of alpha times the entropy, {expected:.3f}: add "
        "-alpha log pi(a'|s'), corrected for tanh, to the next value"
    )


@requirement(
    "TRN-004",
    "The TD target MUST take the smaller of the critics' next values.",
    reason="their mean or maximum overestimates, and the actor finds every overestimate",
    source="Fujimoto et al. 2018, arXiv:1802.09477",
    profile=Profile.CHAPTER,
)
def test_target_takes_the_smaller_value(impl: Implementation) -> None:
    agent = make_agent(impl)
    batch = random_batch(64, terminated=0.0, spread=5.0)
    q_values = agent.q_values(batch.next_observations, agent.act(batch.next_observations, deterministic=True))
    state = tile(batch.next_observations, int(np.ptp(q_values, axis=1).argmax()), SAMPLES)  # where they differ most
    values = _values(agent, state)
    target = _mean_target(agent, batch, state)
    found = (target - float(batch.rewards[0])) / impl.gamma - impl.entropy_coefficient * values.entropy
    middle = (values.smallest + values.mean) / 2
    assert found < middle + NOISE, (
        f"the TD target holds a next value of {found:.3f}, where the critics say {values.smallest:.3f} and "
        f"{values.largest:.3f}: take the minimum for each sample"
    )


@requirement(
    "TRN-026",
    "Where there are several critics, they MUST start from different weights.",
    reason="critics that start as one stay one, for their targets are the same, and their minimum corrects nothing",
    source="Fujimoto et al. 2018, arXiv:1802.09477",
)
def test_critics_start_apart(impl: Implementation) -> None:
    batch = random_batch(64)
    q_values = make_agent(impl).q_values(batch.observations, batch.actions)
    for index in range(1, q_values.shape[1]):
        apart = float(np.abs(q_values[:, :index] - q_values[:, index : index + 1]).max(axis=0).min())
        assert apart > 1e-6, (
            f"critic {index + 1} of a new agent equals an earlier one up to {apart:.2g}: draw initial weights for each"
        )


@requirement(
    "TRN-005",
    "The TD target MUST come from the target critics: critic steps alone leave it about where it was.",
    reason="a critic that chases itself diverges",
    source="Mnih et al. 2015",
)
def test_target_waits_for_the_target_critics(impl: Implementation) -> None:
    agent = make_agent(impl)
    batch = random_batch(terminated=0.0)
    state = tile(batch.next_observations, 0, SAMPLES)
    before = _values(agent, state).mean, _mean_target(agent, batch, state)
    step = random_batch(reward=-10.0)
    for _ in range(40):
        agent.update_critic(step)
    online = _values(agent, state).mean - before[0]
    change = _mean_target(agent, batch, state) - before[1]
    assert abs(change) < 0.5 * impl.gamma * abs(online) + NOISE, (
        f"critic steps that moved the online Q-values by {online:.2f} moved the TD target by {change:.2f} before any "
        "update_target: use the target critics in it"
    )


@requirement(
    "TRN-027",
    "The next action of the TD target MUST be the policy's in the next observation.",
    reason="a target with the action of another state, or with a random one, values a policy that nobody follows",
    source=SAC,
)
def test_next_action_is_the_policys(impl: Implementation) -> None:
    agent = make_agent(impl)
    batch, rng = random_batch(terminated=0.0, reward=0.0), np.random.default_rng(0)
    side = np.resize([-1.0, 1.0], len(batch.rewards))  # what is best on one side is worst on the other
    observations = {
        key: array if key == "pixels" else array + 3 * side[:, None] for key, array in batch.observations.items()
    }
    for _ in range(150):
        actions = rng.uniform(-1, 1, batch.actions.shape).astype(np.float32)
        rewards = (actions.sum(axis=1) * side - 4).astype(np.float32)  # negative, see TRN-003
        ended = np.ones_like(rewards)
        agent.update_critic(
            dataclasses.replace(batch, observations=observations, actions=actions, rewards=rewards, terminated=ended)
        )
    for _ in range(100):
        agent.update_actor(dataclasses.replace(batch, observations=observations), learning_rate=3e-3)
    for _ in range(math.ceil(6 / impl.tau)):
        agent.update_target()  # nearly equal to the online critics, which q_values shows
    missing, stake = [], []
    for here, there in ((0, 1), (1, 0)):
        state, values = tile(observations, there, SAMPLES), _values(agent, tile(observations, there, SAMPLES))
        came_from = dataclasses.replace(batch, observations=tile(observations, here, 1))
        found = _mean_target(agent, came_from, state) / impl.gamma - impl.entropy_coefficient * values.entropy
        missing.append(min((value - found for value in values.by_critics), key=abs))
        of_here = agent.act(tile(observations, here, SAMPLES), deterministic=False)
        stake.append(values.smallest - float(agent.q_values(state, of_here).min(axis=1).mean()))
    assert (
        np.mean(missing) < NOISE + max(float(np.mean(stake)), 0.0) / 5
    ), (  # random actions miss some third of the stake
        f"the TD target's next value is {np.mean(missing):.2f} below that of the policy's actions in the next "
        f"observation, and the actions of the current one would miss {np.mean(stake):.2f}: give next_observations to "
        "the policy"
    )


@requirement(
    "TRN-028",
    "With a target encoder, the TD target MUST read it, and not the online encoder, for the next value.",
    reason="features that move under target critics that stand still are a target that moves with every step",
    source="Mnih et al. 2015: the whole target network waits",
    capability=Capability.TARGET_ENCODER,
)
def test_target_reads_the_target_encoder(impl: Implementation, tmp_path: Path) -> None:
    agent = make_agent(impl)
    batch = random_batch(spread=0.0)  # only pixels tell the states apart, so that the encoder has to move
    good, rng = np.arange(len(batch.rewards)) % 2, np.random.default_rng(0)

    def learn(rewards: Array) -> None:
        for _ in range(70):  # with any action, so that values do not depend on those that are sampled
            actions = rng.uniform(-1, 1, batch.actions.shape).astype(np.float32)
            agent.update_critic(dataclasses.replace(batch, actions=actions, rewards=rewards.astype(np.float32)))

    learn(8 * good - 10)
    for _ in range(math.ceil(8 / impl.tau)):
        agent.update_target()
    agent.save(tmp_path / "agent.zip")
    waiting = impl.load_agent(tmp_path / "agent.zip")  # its online networks are the agent's target from now on
    learn(-8 * good - 2)
    off = []
    for index in range(8):
        state = tile(batch.observations, index, SAMPLES)
        q_values = waiting.q_values(state, agent.act(state, deterministic=False))
        bonus = impl.entropy_coefficient * _values(agent, state).entropy
        target = _mean_target(agent, dataclasses.replace(batch, terminated=np.zeros_like(batch.terminated)), state)
        found = (target - float(batch.rewards[0])) / impl.gamma - bonus
        off.append(min(abs(found - float(q_values.min(axis=1).mean())), abs(found - float(q_values.mean()))))
    assert max(off) < 0.2, (  # sampling errors are some 0.02, the online encoder makes it 1
        f"critic steps without update_target moved a next value in the TD target by {max(off):.2f}: compute its "
        "features with the target encoder"
    )


@requirement(
    "TRN-006",
    "No gradient MUST flow through the TD target: a critic step equals one towards the same numbers as rewards.",
    reason="the critic would be trained to move its targets, too",
    source="Baird 1995: residual gradients; DLR-RM/stable-baselines3, SAC.train under no_grad",
)
def test_target_carries_no_gradient(impl: Implementation) -> None:
    batch = random_batch(reward=-10.0, terminated=0.0)  # far from any value: sampled next actions hardly matter
    numbers = np.asarray(make_agent(impl).td_target(batch), np.float32)
    outcomes = []
    for given in (batch, dataclasses.replace(batch, rewards=numbers, terminated=np.ones_like(batch.terminated))):
        agent = make_agent(impl)
        start = agent.parameters()
        agent.update_critic(given)
        outcomes.append(agent.parameters())
    gap = step_gap(start, outcomes[0], outcomes[1], "encoder", "critic")
    assert gap < 0.1, f"{gap:.0%} of a critic step comes from the TD target's own gradient: compute the target detached"


# -------------------------------------------------------------------------------------------------- actor


@requirement(
    "TRN-007",
    "Actor steps MUST raise the Q-values of the actor's own actions.",
    reason="the wrong sign is a policy that looks for failure",
    source=SAC,
)
def test_actor_climbs_the_critic(impl: Implementation) -> None:
    agent = make_agent(impl)
    batch = random_batch(32)
    batch = dataclasses.replace(batch, rewards=(5 * batch.actions[:, 0]).astype(np.float32))  # one action is better
    for _ in range(20):
        agent.update_critic(batch)

    def worth() -> float:
        actions = agent.act(batch.observations, deterministic=True)
        return float(agent.q_values(batch.observations, actions).min(axis=1).mean())

    before = worth()
    for _ in range(50):
        agent.update_actor(batch)
    gain = worth() - before
    assert gain > 0, (
        f"50 actor steps changed the value of the actor's actions by {gain:.3g}: minimise alpha log pi - min Q"
    )


@requirement(
    "TRN-008",
    "With a critic that is indifferent, actor steps MUST NOT make the policy collapse.",
    reason="the other sign of the entropy term makes the policy deterministic before it has seen a success",
    source=SAC,
)
def test_actor_keeps_its_entropy(impl: Implementation) -> None:
    agent = make_agent(impl)
    batch = random_batch(reward=0.0, spread=5.0)
    for _ in range(40):
        agent.update_critic(batch)

    def entropy() -> float:
        actions = [agent.act(tile(batch.observations, index, 64), deterministic=False) for index in range(8)]
        return float(np.mean([sum(_entropy(sampled[:, axis]) for axis in range(4)) for sampled in actions]))

    before = entropy()
    for _ in range(40):
        agent.update_actor(batch)
    lost = before - entropy()
    # The wrong sign takes some 40 nats; what little Q still varies may cost a right implementation a few tenths.
    assert impl.entropy_coefficient == 0 or lost < 2, (
        f"40 actor steps under a critic that is about 0 everywhere took {lost:.2f} nats of the policy's entropy: the "
        "actor's loss is alpha log pi - min Q, with this sign"
    )


# ------------------------------------------------------------------------------------------------- acting


@requirement(
    "TRN-009",
    "Deterministic actions MUST repeat themselves, whatever was sampled in between.",
    reason="an evaluation that samples measures the noise, too",
    source="chapter section 9.15; hill-a/stable-baselines#198",
)
def test_deterministic_actions_repeat(impl: Implementation) -> None:
    agent = make_agent(impl)
    observations = random_batch().observations
    first = agent.act(observations, deterministic=True)
    agent.act(observations, deterministic=False)
    off = float(np.abs(agent.act(observations, deterministic=True) - first).max())
    assert off < 1e-6, f"a deterministic action differs by {off:.3g} when asked again: return the policy's mean"


@requirement(
    "TRN-010",
    "Exploring actions MUST vary from call to call and from sample to sample.",
    reason="one noise for all environments, or none, explores a fraction of what was paid for",
    source=SAC,
)
def test_exploring_actions_vary(impl: Implementation) -> None:
    agent = make_agent(impl)
    state = tile(random_batch().observations, 0, 32)
    first, second = (agent.act(state, deterministic=False) for _ in range(2))
    assert np.any(first != second), "exploring actions repeat themselves from call to call: draw new noise for each"
    spread = float(first.std(axis=0).min())
    assert spread > 1e-6, (
        "one state gets the same exploring action throughout a batch: draw noise for each sample and axis"
    )


@requirement(
    "TRN-011",
    "Actions MUST lie in [-1, 1], exploring or not, for any observation.",
    reason="the task clips what is beyond, and then the stored action is not the one that was taken",
    source="FetchPush-v4's action space",
)
def test_actions_stay_in_range(impl: Implementation) -> None:
    agent = make_agent(impl)
    for spread in (1.0, 1e3):
        for deterministic in (True, False):
            actions = agent.act(random_batch(64, spread=spread).observations, deterministic=deterministic)
            assert actions.shape == (64, 4), f"actions for 64 observations are {actions.shape}, not (64, 4)"
            reach = float(np.abs(actions).max())
            assert reach <= 1, f"an action of {reach:.3g} is beyond 1: squash or clip actions to [-1, 1]"


# -------------------------------------------------------------------------------------------------- seeds


def _run(impl: Implementation, seed: int) -> tuple[Parameters, Parameters]:
    """The parameters of a new agent, and those after three updates with sampled actions."""
    agent = make_agent(impl, seed=seed)
    start = agent.parameters()
    for number in range(3):
        batch = random_batch(seed=number, terminated=0.0)
        agent.update_critic(batch)
        agent.update_actor(batch)
        agent.update_target()
    return start, agent.parameters()


@requirement(
    "TRN-012",
    "Agents made with the same seed MUST have the same parameters bit for bit, and those of another seed others.",
    reason="seeds are the only spread that a learning curve has",
    source="denisyarats/drq#10; PufferLib",
)
def test_seed_decides_the_start(impl: Implementation) -> None:
    (one, _), (same, _), (other, _) = (_run(impl, seed) for seed in (0, 0, 1))
    name, change = largest_change(one, same, "encoder", "actor", "critic")
    assert change == 0, f"{name} of two new agents with one seed differs by {change:.3g}: seed before networks are made"
    for role in ("encoder", "actor", "critic"):
        _, change = largest_change(one, other, role)
        assert change > 0, f"agents with seeds 0 and 1 have the same {role}: let the seed decide the initial weights"


@requirement(
    "TRN-013",
    "Updates of agents made with the same seed MUST be the same for the same batches.",
    reason="an unseeded noise in the losses makes no run repeatable",
    source="denisyarats/drq#10",
)
def test_seed_decides_the_updates(impl: Implementation) -> None:
    (start, one), (_, same) = (_run(impl, 0) for _ in range(2))
    gap = step_gap(start, one, same, "encoder", "actor", "critic")
    assert gap < 0.01, (
        f"three updates of two agents with one seed differ by {gap:.0%}: let the seed decide sampled actions"
    )
