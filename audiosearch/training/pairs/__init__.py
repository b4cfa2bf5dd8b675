"""A joint space of sound and text with both encoders trained along, as Sun et al. 2023 do it."""
