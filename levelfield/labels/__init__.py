"""What is done with label images: areas, hulls, borders, growth, relabelling."""
