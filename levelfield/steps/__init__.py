"""What the rules of the workflow do, a module for most of them."""
