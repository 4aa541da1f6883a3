"""Evaluation draws with the default camera, whatever the training's was."""

import dataclasses

from visual_her import evaluation
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"TRN-021": "evaluate in the camera of training"}
MAY_ALSO_FAIL = ()

right = evaluation.make_env
evaluation.make_env = lambda config: right(dataclasses.replace(config, camera="default"))
