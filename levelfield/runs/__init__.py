"""A run as a person sees it: plan, status, estimate, failures, verification, space."""
