"""Reading instances: from the state that a shard has committed, by whichever worker is asked."""
