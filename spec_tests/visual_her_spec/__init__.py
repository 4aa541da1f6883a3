"""The executable specification of visual HER. It knows no implementation: one is given by ``--impl``."""

__version__ = "0.1.0"
