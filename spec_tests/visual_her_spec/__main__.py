"""``python -m visual_her_spec`` prints SPEC.md."""

from visual_her_spec.document import document

print(document(), end="")
