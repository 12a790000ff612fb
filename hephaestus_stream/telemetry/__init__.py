"""What a worker and a client tell of themselves: OpenTelemetry's spans and metrics, and fields of the log's lines.

Only the API of OpenTelemetry is needed, which does nothing by itself; who wants to see something installs the extra
`telemetry`, or sets an SDK up as usual. `names` has all names at one place.
"""
