"""What sees is an average of the weights that is made at the start and never follows."""

from visual_her.classifier import SuccessClassifier
from visual_her.conformance import IMPLEMENTATION as IMPLEMENTATION

CAUGHT_BY = {"BEL-010": "at the averaged weights that see"}
MAY_ALSO_FAIL = ()

SuccessClassifier.publish = lambda self: None
