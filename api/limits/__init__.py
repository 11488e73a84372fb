"""How much is worked on at once, and how much each caller may ask for."""
