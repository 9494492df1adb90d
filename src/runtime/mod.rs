//! The process: leadership, HTTP server, telemetry, clock, shutdown.
