"""Pages of many runs over HTTP: read-only, for this machine, live while a run goes on."""
