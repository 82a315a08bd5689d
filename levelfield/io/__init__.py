"""Files: formats of microscopes, the plate store, tables, weights, provenance."""
