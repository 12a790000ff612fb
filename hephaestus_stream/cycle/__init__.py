"""The commit cycle without its surroundings: drain, apply, fold, and a batch to commit. Worker and Simulator run it."""
