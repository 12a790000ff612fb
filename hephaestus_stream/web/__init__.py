"""What a worker serves over HTTP; it needs the extra `web`."""
