"""What the pixels say about every object and every seam, and how far it can be trusted."""
