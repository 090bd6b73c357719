"""What a session starts: one module per resource, and the stack that starts and stops them."""
