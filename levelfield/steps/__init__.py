"""What the rules of the workflow do, a module per rule."""
