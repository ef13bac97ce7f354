"""What can be measured of pixels without a model."""
