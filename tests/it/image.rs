//! What the container image is made of, and that it starts from an empty root.
