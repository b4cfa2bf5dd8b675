"""From trained networks to a bundle."""
