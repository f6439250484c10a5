"""The venue's HTTP and WebSocket interfaces: CLOB, Gamma, Data API, news feed, and the admin interface."""
