"""Training and calibration of the evidence on segmentations whose errors are known."""
