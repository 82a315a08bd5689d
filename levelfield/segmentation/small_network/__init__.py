"""The small network, which predicts several representations of objects at once."""
