"""Statistics of the QC: estimates with their variances, classes compared, plates and screens."""
