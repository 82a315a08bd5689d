"""What people say about a sample of the objects, and what follows for all of them."""
