"""Taking models away."""
