"""What clients send: each request of either era becomes the same canonical struct, or a refusal."""
