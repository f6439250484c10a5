"""A local Polymarket: matching engine, HTTP APIs, WebSocket, synthetic and replayed markets, faults."""
