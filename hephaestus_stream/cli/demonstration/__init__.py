"""What `hephaestus demo` plays, and how it looks."""
