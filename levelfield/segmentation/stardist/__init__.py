"""StarDist, without TensorFlow."""
