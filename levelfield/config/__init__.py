"""The config and the sheets: schemas, typed settings, plates and wells."""
