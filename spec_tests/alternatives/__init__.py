"""Right implementations that differ from the reference, and popular code: what the specification says of each."""
