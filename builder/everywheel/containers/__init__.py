"""Images: the systems that wheels are tried on, where each comes from, and how it is made."""
