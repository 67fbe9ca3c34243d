"""The server: REST, WebSocket and the page over the agent."""
