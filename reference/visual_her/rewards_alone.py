"""The track "rewards alone": SAC + HER on a belief, which a success classifier learns from relabelled rewards.

Replay reads ``achieved_goal`` to choose goals, to compute rewards and, by ``still_weight``, to draw episodes with
contact more often. Encoder, belief, actor and critics receive pictures, proprioception, goals and rewards, and nothing
else; of the goals that the encoder learns from most are near what was achieved (``near_goals``). The encoder has one
teacher, the classifier's loss: the belief is stored in the replay as a vector, so that no gradient of actor or critics
can reach it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import numpy as np
import torch

from visual_her.belief import FilterName, filtered, newest_frames, remember, smoothed, start_history
from visual_her.classifier import SuccessClassifier
from visual_her.memory import upload
from visual_her.replay import Array, HerFrameBuffer
from visual_her.sac import PixelSAC

Lesson = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # frames, goals, reached: see SuccessClassifier.learn
Episode = tuple[int, int, int]  # env, first slot, final slot


class BeliefBuffer(HerFrameBuffer):
    """``HerFrameBuffer`` whose transitions hold beliefs instead of pixels; its frames are for the classifier.

    When an episode ends its beliefs are smoothed; ``refresh`` renews them with what the classifier sees by then.

    Args:
        *args: as ``HerFrameBuffer``; the observations have ``estimate`` and ``belief``.
        filter_name: of the beliefs.
        **kwargs: as ``HerFrameBuffer``.
    """

    FUTURE_GOALS = 4  # achieved in a frame's own episode from this instant on; beside them the desired goal
    SAMPLES_PIXELS = False

    def __init__(self, *args: Any, filter_name: FilterName = "bilateral", **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.filter_name = filter_name
        self._refreshed = np.zeros(self.n_envs + 1, np.int64)  # next slot of each env, and whose turn it is
        self.acting_errors: deque[Array] = deque(maxlen=100)  # metres, of an episode's beliefs before they are smoothed

    def sample_lesson(self, batch_size: int, near_goals: int, spread: Array) -> Lesson:
        """Frames, each with goals and whether the relabelled reward there is that of success.

        Args:
            batch_size: B.
            near_goals: goals a frame that no episode had: what was achieved, plus noise.
            spread: of that noise, (D,) in metres.

        Returns:
            uint8 (B, 3, H, W), shifted as DrQ does; (B, G, D) in metres; (B, G), 1 where the reward is 0 or more, which
            is that of success, and 0 elsewhere. G is ``FUTURE_GOALS``, the desired goal, and ``near_goals``.
        """
        assert self._frames is not None
        envs, slots = self._draw_transitions(batch_size)
        at = slots % self.slots
        final = self._episode_final[envs, at]
        later = self.rng.integers(slots[:, None], final[:, None] + 1, size=(batch_size, self.FUTURE_GOALS))
        achieved, desired = self._vectors["achieved_goal"], self._vectors["desired_goal"]
        here = achieved[envs, at][:, None]
        near = here + spread * self.rng.normal(size=(batch_size, near_goals, here.shape[-1]))
        goals = np.concatenate([achieved[envs[:, None], later % self.slots], desired[envs, at][:, None], near], axis=1)
        pairs = (np.broadcast_to(here, goals.shape).reshape(-1, goals.shape[-1]), goals.reshape(-1, goals.shape[-1]))
        rewards = np.asarray(self.compute_reward(*pairs, [{}] * len(pairs[0])), np.float32)
        frames = upload(self._frames.gather(envs, slots[:, None])[:, 0], self.device)
        if self._shift is not None:
            frames = self._shift(frames)
        reached = self.to_torch((rewards.reshape(goals.shape[:2]) >= 0).astype(np.float32))
        return frames, self.to_torch(goals.astype(np.float32)), reached

    def oldest_refreshed(self) -> tuple[Episode, torch.Tensor]:
        """The whole episode whose turn it is to be refreshed, and its frames, uint8 (T, 3, H, W)."""
        assert self._frames is not None
        env = int(self._refreshed[-1])
        while self._complete[env] == self._tail[env]:  # some env has an episode, or nothing is learned
            env = (env + 1) % self.n_envs
        start = int(self._refreshed[env])
        if not self._tail[env] <= start < self._complete[env]:
            start = int(self._tail[env])
        final = int(self._episode_final[env, start % self.slots])
        self._refreshed[env], self._refreshed[-1] = final + 1, (env + 1) % self.n_envs
        instants = np.arange(start, final + 1)
        frames = self._frames.gather(np.full(1, env), instants[None])[0]
        return (env, start, final), frames

    def refresh(self, episode: Episode, estimates: Array) -> None:
        """Stores new estimates (T, D + 1) of an episode, and the beliefs that follow; none if it is overwritten."""
        env, start, final = episode
        if start >= self._tail[env]:
            at = np.arange(start, final + 1) % self.slots
            self._vectors["estimate"][env, at] = estimates
            self._vectors["belief"][env, at] = smoothed(estimates, self.filter_name)

    def goal_statistics(self) -> tuple[Array, Array]:
        """Centre and standard deviation (D,) of the stored desired goals, in metres; 1 where they are all the same."""
        values = self.stored("desired_goal")
        spread = values.std(axis=0)
        return values.mean(axis=0), spread if spread.max() > 0 else np.ones_like(spread)

    def vector_statistics(self) -> dict[str, tuple[Array, Array]]:
        """Those of ``HerFrameBuffer``; desired goal and belief are centred on the desired goals."""
        centre, spread = self.goal_statistics()
        centred = (centre, np.full(len(spread), spread.max()))
        return super().vector_statistics() | {"desired_goal": centred, "belief": centred}

    def state_arrays(self) -> dict[str, Array]:
        """Those of ``HerFrameBuffer``, and which episodes are refreshed next."""
        return super().state_arrays() | {"_refreshed": self._refreshed}

    def load_state_arrays(self, arrays: Mapping[str, Array]) -> None:
        """Restores ``state_arrays``.

        Raises:
            ValueError: the arrays are of another layout.
        """
        super().load_state_arrays(arrays)
        self._refreshed[:] = arrays["_refreshed"]

    def _close_episode(self, env: int) -> None:
        start = int(self._complete[env])
        super()._close_episode(env)
        final = int(self._complete[env]) - 1
        at = np.arange(start, final + 1) % self.slots
        errors = self._vectors["belief"][env, at] - self._vectors["achieved_goal"][env, at]
        self.acting_errors.append(np.linalg.norm(errors, axis=1))
        self.refresh((env, start, final), self._vectors["estimate"][env, at])


class BeliefSAC(PixelSAC):
    """``PixelSAC`` on beliefs, with a ``SuccessClassifier`` that learns beside it, on another core.

    Args:
        *args: as ``PixelSAC``; the environments are a ``BeliefVecEnv`` of the same classifier.
        classifier: sees.
        filter_name: of the beliefs.
        near_goals: as ``BeliefBuffer.sample_lesson``.
        learning_starts: env steps before the agent's first update; the classifier begins after a quarter of them.
        **kwargs: as ``PixelSAC``.
    """

    replay_buffer: BeliefBuffer
    LESSONS, LESSON_SIZE = 3, 64  # classifier updates a vectorised step, and frames an update
    WARM_UP = 2  # as many times more of them before the agent's first update
    NEAR = 0.7  # of the goals' spread

    def __init__(
        self,
        *args: Any,
        classifier: SuccessClassifier,
        learning_starts: int,
        filter_name: FilterName = "bilateral",
        near_goals: int = 16,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, learning_starts=learning_starts // 4, **kwargs)  # SB3 asks for no update before
        self.acts_from = self.updates_from = learning_starts
        self.classifier = classifier.to(self.device)
        self.filter_name, self.near_goals = filter_name, near_goals
        self._under_way: Future[Any] | None = None
        self._teacher = ThreadPoolExecutor(1, initializer=torch.set_num_threads, initargs=(torch.get_num_threads(),))

    def update(self, gradient_steps: int, batch_size: int) -> None:
        """The agent's own updates, and beside them those of the classifier."""
        if self.replay_buffer.size() > 0:
            self._teach(self.WARM_UP if self.num_timesteps <= self.updates_from else 1)
        super().update(gradient_steps, batch_size)

    def _teach(self, times: int) -> None:
        """Takes over what the last lessons gave, and starts the next: all random draws are made here, in order."""
        buffer, classifier = self.replay_buffer, self.classifier
        self.wait()
        if torch.isnan(classifier.centre).any():
            classifier.fit(*buffer.goal_statistics())
        classifier.publish()
        spread = self.NEAR * classifier.spread.double().cpu().numpy()
        lessons = [buffer.sample_lesson(self.LESSON_SIZE, self.near_goals, spread) for _ in range(times * self.LESSONS)]
        episodes = [buffer.oldest_refreshed() for _ in range(times)]
        rate = self.rate()

        def teach() -> tuple[torch.Tensor, list[tuple[Episode, Array]]]:
            losses = [classifier.learn(*lesson, rate) for lesson in lessons]
            return torch.stack(losses).mean(), [(episode, classifier.see(frames)) for episode, frames in episodes]

        self._under_way = self._teacher.submit(teach)

    def wait(self) -> None:
        """Ends the lessons under way, and renews the beliefs of the episodes that they looked at."""
        if self._under_way is not None:
            loss, seen = self._under_way.result()
            self._under_way = None
            self._record("classifier_loss", loss)
            for episode, estimates in seen:
                self.replay_buffer.refresh(episode, estimates)

    def stateful(self) -> dict[str, Any]:
        """Those of ``PixelSAC``, and the classifier's."""
        classifier = self.classifier
        return super().stateful() | {"classifier": classifier, "classifier_optimizer": classifier.optimizer}

    def _sample_action(self, learning_starts: int, action_noise: Any = None, n_envs: int = 1) -> Any:
        """As ``PixelSAC``'s, at random for as long as the agent does not learn."""
        return super()._sample_action(self.acts_from, action_noise, n_envs)

    def predict(
        self,
        observation: Any,
        state: Any = None,
        episode_start: Any = None,
        deterministic: bool = False,
    ) -> tuple[Array, Any]:
        """SB3's, as of a recurrent policy: ``state`` carries the episode's estimates from one call to the next.

        Args:
            observation: of the environment, one or a batch; one with ``belief`` is acted on as it is.
            state: what the last call returned; ``None`` starts an episode.
            episode_start: (n_envs,), where an episode starts.
            deterministic: the mean action.

        Returns:
            Actions, and the next state.
        """
        if "belief" not in observation:
            estimates, state = self.believe(observation["pixels"], state, episode_start)
            batched = observation["pixels"].ndim == 4
            belief = filtered(state, self.filter_name)
            observation = {
                **observation,
                "estimate": estimates if batched else estimates[0],
                "belief": belief if batched else belief[0],
            }
        return super().predict(observation, None, None, deterministic)[0], state

    def believe(self, pixels: Array, state: Any = None, episode_start: Any = None) -> tuple[Array, Array]:
        """Estimates (n, D + 1) of the newest frames of uint8 stacks (n, C, H, W) or (C, H, W), and the next state."""
        estimates = self.classifier.see(newest_frames(pixels.reshape(-1, *pixels.shape[-3:])))
        if state is None:
            state = start_history(len(estimates), estimates.shape[1] - 1)
        starts = np.zeros(len(estimates), bool) if episode_start is None else np.asarray(episode_start)
        return estimates, remember(state, estimates, starts)

    def dump_logs(self) -> None:
        """Adds how far the beliefs of the last 100 episodes were off while acting, in centimetres."""
        if self.replay_buffer.acting_errors:
            errors = np.concatenate(self.replay_buffer.acting_errors)
            self.logger.record("train/belief_error_cm", 100 * float(np.median(errors)))
            self.logger.record("train/belief_error_95_cm", 100 * float(np.quantile(errors, 0.95)))
        super().dump_logs()

    def _excluded_save_params(self) -> list[str]:
        return [*super()._excluded_save_params(), "classifier", "_under_way", "_teacher"]
