"""From estimates to verdicts: rows, the rule, and the answers of a plate or a screen."""
