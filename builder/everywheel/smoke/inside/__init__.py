"""Files that are mounted into smoke images and run there, by the image's own Python."""
