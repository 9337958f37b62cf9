"""What was measured, in which unit, and what is computed from it (the lowest layer)."""
