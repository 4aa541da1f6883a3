"""Wrong implementations, one realistic wiring bug a file: the proof that the specification has teeth.

A mutant is loaded through ``--impl`` like any other implementation. It imports the reference and changes one thing in
it, so each runs in a process of its own. It says who has to catch it::

    CAUGHT_BY = {"GRD-003": "detach"}     # requirement -> words that its message has to contain
    MAY_ALSO_FAIL = ("SAV",)              # areas or requirements that the same bug may break, too
    IMPLEMENTATION = ...
"""
