"""Files that are mounted into smoke images, and run by the Python in the image."""
