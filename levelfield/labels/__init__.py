"""What is done with label images: areas, hulls, borders, relabelling."""
