"""Example workflows that really run: `hephaestus dev workflows`."""
