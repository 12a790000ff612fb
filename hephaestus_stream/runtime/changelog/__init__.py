"""The state of a partition on disk, and the topic that it follows."""
