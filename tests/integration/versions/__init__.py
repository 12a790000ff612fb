"""A workflow in two versions, each in a module of its own: workers get one of them, or both."""
