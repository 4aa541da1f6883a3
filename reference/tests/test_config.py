"""TrainConfig: the chapter's values, the recipes, the tag, and what is refused."""

from __future__ import annotations

import dataclasses
import json
import math
import re
from dataclasses import replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

import pytest
from visual_her.config import CHAPTER, RUN_FIELDS, TrainConfig, differences, tag
from visual_her.errors import UsageError
from visual_her.recipes import RECIPES, recipe
from visual_her.refusals import check

FIELDS = [field.name for field in dataclasses.fields(TrainConfig)]
DEFAULTS = TrainConfig()


def another(name: str, config: TrainConfig) -> Any:
    """A value of the field other than ``config``'s, found from its type, so that a new field needs no entry here."""
    value, hint = getattr(config, name), get_type_hints(TrainConfig)[name]
    kinds = {get_origin(hint), hint, *get_args(hint)}
    if Literal in kinds:
        return next(choice for choice in get_args(hint) if choice != value)
    if bool in kinds:
        return not value
    if tuple in kinds:
        return (*value, 1)
    if str in kinds:
        return f"{value}-other"
    return 480 if value is None else value * 2 if value else 1


# ---------------------------------------------------------------- the chapter's values


@pytest.mark.parametrize(
    ("name", "default", "chapter"),
    [
        ("env", "FetchPush-v4", "FetchPush-v4"),
        ("seed", 0, 0),
        ("total_steps", 8_000_000, 5_000_000),
        ("n_envs", 4, 4),
        ("buffer_size", 200_000, 500_000),
        ("her_n_sampled_goal", 4, 8),
        ("checkpoint_freq", 500_000, 500_000),
        ("critic_encoder", False, True),
        ("share_encoder", False, False),
        ("drq", True, False),
        ("drq_pad", 4, 4),
        ("spatial_softmax", True, True),
        ("feature_norm", False, False),
        ("ortho_init", False, False),
        ("encoder", "manipulation", "manipulation"),
        ("goal_mode", "both", "both"),
        ("camera", "default", "default"),
        ("frame_stack", 4, 4),
        ("image_size", 84, 84),
        ("num_filters", 32, 32),
        ("learning_rate", 1e-4, 1e-4),
        ("batch_size", 256, 256),
        ("gamma", 0.95, 0.95),
        ("tau", 0.005, 0.005),
        ("ent_coef", 0.05, 0.05),
        ("gradient_steps", 1, 1),
        ("learning_starts", 1_000, 1_000),
        ("net_arch", (256, 256), (256, 256)),
    ],
)
def test_defaults_and_recipe_chapter_are_the_chapters(name: str, default: Any, chapter: Any) -> None:
    assert (getattr(DEFAULTS, name), getattr(recipe("chapter"), name)) == (default, chapter)


@pytest.mark.parametrize(
    ("name", "base", "expected"),
    [
        ("step0", DEFAULTS, {"encoder": "nature", "total_steps": 2_000_000}),
        ("step1", DEFAULTS, {"total_steps": 2_000_000}),
        ("step2", CHAPTER, {}),
        ("step4", CHAPTER, {"drq": True, "total_steps": 2_000_000}),
        (
            "full-state",
            DEFAULTS,
            {
                "full_state": True,
                "learning_rate": 3e-4,
                "n_envs": 8,
                "buffer_size": 1_000_000,
                "total_steps": 2_000_000,
            },
        ),
    ],
)
def test_a_recipe_differs_from_its_base_in_nothing_else(name: str, base: TrainConfig, expected: dict[str, Any]) -> None:
    assert {field: own for field, (_, own) in differences(recipe(name), base).items()} == expected


@pytest.mark.parametrize("name", RECIPES)
def test_a_recipe_passes_its_own_check(name: str) -> None:
    check(recipe(name))


def test_an_unknown_recipe_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UsageError, match=r"'chaptre'.*chapter, step0, step1"):
        recipe("chaptre")


def test_a_config_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        DEFAULTS.seed = 1  # type: ignore[misc]


# ------------------------------------------------------------------------------ the tag


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        (CHAPTER, "ch09_manip_noDrQ_criticEnc"),
        (replace(CHAPTER, drq=True), "ch09_manip_criticEnc"),
        (DEFAULTS, "ch09_manip_buf200000_k4"),
        (replace(CHAPTER, critic_encoder=False, share_encoder=True), "ch09_manip_noDrQ_shareEnc"),
        (
            replace(CHAPTER, render_size=84, spatial_softmax=False, proprio=False, frame_stack=1),
            "ch09_manip_native_noSS_noPro_noDrQ_criticEnc_fs1",
        ),
        (
            replace(CHAPTER, critic_encoder=False, share_encoder=True, proprio=False, frame_stack=2),
            "ch09_manip_noPro_noDrQ_shareEnc_fs2",
        ),
        (replace(CHAPTER, critic_encoder=False, pixels=False), "ch09_manip_noPix"),
        (replace(CHAPTER, critic_encoder=False, pixels=False, proprio=False), "ch09_manip_noPix_noPro"),
        (replace(CHAPTER, critic_encoder=False, full_state=True), "ch09_manip_fullState"),
    ],
)
def test_tag_has_the_chapters_words_in_its_order(config: TrainConfig, expected: str) -> None:
    assert tag(config) == expected


@pytest.mark.parametrize("base", [CHAPTER, DEFAULTS], ids=["chapter", "defaults"])
@pytest.mark.parametrize("name", FIELDS)
def test_every_field_is_of_the_run_or_in_the_tag(name: str, base: TrainConfig) -> None:
    changed = replace(base, **{name: another(name, base)})
    if name in RUN_FIELDS:
        assert tag(changed) == tag(base), f"{name} is of the run and does not belong into the tag"
    else:
        assert tag(changed) != tag(base), f"runs that differ in {name} would overwrite each other: add it to the tag"


def test_run_fields_are_fields() -> None:
    assert set(FIELDS) >= RUN_FIELDS


def test_tag_tells_numbers_apart_that_differ_late() -> None:
    one, other = replace(CHAPTER, gamma=0.9999999), replace(CHAPTER, gamma=1.0)
    assert tag(one) != tag(other), f"two discounts share the tag {tag(one)}: write all digits"


def test_two_recipes_that_learn_differently_have_different_tags() -> None:
    names = list(RECIPES)
    for one, other in ((a, b) for i, a in enumerate(names) for b in names[i + 1 :]):
        same_learning = set(differences(recipe(one), recipe(other))) <= RUN_FIELDS
        assert (tag(recipe(one)) == tag(recipe(other))) == same_learning, f"{one} and {other}: {tag(recipe(one))}"
    assert recipe("step2") == recipe("chapter")


@pytest.mark.parametrize("name", RECIPES)
def test_tag_is_a_plain_file_name(name: str) -> None:
    assert re.fullmatch(r"[A-Za-z0-9_.-]+", tag(recipe(name)))


# ------------------------------------------------------------------------------- JSON


@pytest.mark.parametrize("name", FIELDS)
def test_json_round_trip_keeps_every_field(name: str) -> None:
    config = replace(CHAPTER, **{name: another(name, CHAPTER)})
    assert TrainConfig.from_json(json.loads(json.dumps(config.to_json()))) == config


def test_json_of_a_newer_version_is_refused_by_its_field() -> None:
    with pytest.raises(UsageError, match="'warp_speed'"):
        TrainConfig.from_json({**CHAPTER.to_json(), "warp_speed": 9})


# --------------------------------------------------------------------- what is refused

PIXELS_ONLY: dict[str, Any] = {
    "blank_pixels": True,
    "encoder": "nature",
    "spatial_softmax": False,
    "feature_norm": True,
    "ortho_init": True,
    "num_filters": 16,
    "strides": (2, 2, 1, 1),
    "belief": True,
    "critic_encoder": True,
    "share_encoder": True,
}


def refusal(**changes: Any) -> str:
    with pytest.raises(UsageError) as caught:
        check(replace(DEFAULTS, **changes))
    return str(caught.value)


def assert_is_one_sentence(sentence: str) -> None:
    assert "\n" not in sentence
    assert re.fullmatch(r"\S.*[^.]\.", sentence), f"no sentence: {sentence!r}"


OUT_OF_RANGE = [
    *(
        (name, 0)
        for name in ["total_steps", "n_envs", "frame_stack", "image_size", "num_filters", "buffer_size", "batch_size"]
    ),
    *((name, 0) for name in ["gradient_steps", "torch_threads", "learning_rate", "time_budget", "n_steps"]),
    *(
        (name, -1)
        for name in ["seed", "drq_pad", "her_n_sampled_goal", "ent_coef", "learning_starts", "checkpoint_freq"]
    ),
    *((name, -1) for name in ["learning_rate", "time_budget", "gamma", "tau", "still_weight"]),
    *((name, math.nan) for name in ["learning_rate", "time_budget", "gamma", "tau", "ent_coef"]),
    *((name, math.inf) for name in ["learning_rate", "gamma", "tau", "ent_coef"]),
    ("gamma", 1.01),
    ("tau", 1.01),
    ("still_weight", 0.0),
    ("still_weight", 1.01),
    ("image_size", 7),
    ("render_size", 83),
    ("buffer_size", 199),
    ("seed", 2**32),
    ("net_arch", (256, 0)),
    ("net_arch", (-1,)),
]


@pytest.mark.parametrize(("name", "value"), OUT_OF_RANGE)
def test_a_value_out_of_range_is_refused_by_its_flag(name: str, value: Any) -> None:
    sentence = refusal(**{name: value})
    assert f"--{name.replace('_', '-')} " in sentence
    assert str(value) in sentence
    assert_is_one_sentence(sentence)


@pytest.mark.parametrize(
    "changes",
    [
        {"n_envs": 1, "buffer_size": 50},
        {"image_size": 12},
        {"image_size": 8, "frame_stack": 2},
        {"render_size": 84},
        {"render_size": 480},
        {"drq_pad": 0},
        {"her_n_sampled_goal": 0},
        {"ent_coef": 0.0},
        {"gamma": 1.0},
        {"tau": 1.0},
        {"learning_starts": 0},
        {"checkpoint_freq": 0},
        {"seed": 2**32 - 1},
        {"encoder": "nature", "image_size": 36},
        {"pixels": False},
        {"pixels": False, "proprio": False},
        {"goal_mode": "none", "proprio": False},
    ],
    ids=str,
)
def test_a_value_at_its_limit_is_accepted(changes: dict[str, Any]) -> None:
    check(replace(DEFAULTS, **changes))


@pytest.mark.parametrize(
    ("changes", "flags"),
    [
        ({"critic_encoder": True, "share_encoder": True}, ["--critic-encoder", "--share-encoder"]),
        ({"full_state": True, "pixels": False}, ["--full-state", "--no-pixels"]),
        ({"full_state": True, "proprio": False}, ["--full-state", "--no-proprio"]),
        ({"encoder": "nature", "spatial_softmax": False}, ["--encoder nature", "--no-spatial-softmax"]),
        ({"encoder": "nature", "image_size": 35}, ["--encoder nature", "--image-size"]),
        ({"pixels": False, "proprio": False, "goal_mode": "none"}, ["--no-pixels"]),
        ({"belief": True}, ["--belief", "--goal-mode desired"]),
        ({"encoder": "nature", "strides": (2, 2, 1, 1)}, ["--strides", "--encoder nature"]),
        ({"near_goals": 0}, ["--near-goals", "--belief"]),
        ({"belief_filter": "none"}, ["--belief-filter", "--belief"]),
    ],
    ids=lambda value: "+".join(value),
)
def test_contradictory_flags_are_refused_by_name(changes: dict[str, Any], flags: list[str]) -> None:
    sentence = refusal(**changes)
    assert all(flag in sentence for flag in flags), sentence
    assert_is_one_sentence(sentence)


@pytest.mark.parametrize("blind", [{"full_state": True}, {"pixels": False}], ids=["--full-state", "--no-pixels"])
@pytest.mark.parametrize("name", PIXELS_ONLY)
def test_a_flag_that_would_do_nothing_without_pixels_is_refused(name: str, blind: dict[str, Any]) -> None:
    sentence = refusal(**blind, **{name: PIXELS_ONLY[name]})
    assert name.replace("_", "-").removeprefix("encoder") in sentence
    assert ("--full-state" if "full_state" in blind else "--no-pixels") in sentence
    assert_is_one_sentence(sentence)


@pytest.mark.parametrize("name", sorted(set(PIXELS_ONLY) - {"blank_pixels", "num_filters", "strides", "belief"}))
def test_a_flag_of_the_encoder_that_an_agent_with_a_belief_has_not_is_refused(name: str) -> None:
    sentence = refusal(belief=True, goal_mode="desired", **{name: PIXELS_ONLY[name]})
    assert name.replace("_", "-").removeprefix("encoder") in sentence
    assert "--belief" in sentence
    assert_is_one_sentence(sentence)
