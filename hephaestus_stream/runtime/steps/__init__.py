"""Where steps are executed: tasks, threads, processes."""
