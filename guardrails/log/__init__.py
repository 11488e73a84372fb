"""The decision's record: its sections, its canonical bytes, its reason codes."""
