"""The services behind the gateway, and how to live with their bad days."""
