"""Tuning: samples in, a multimodal model out; with a mask that can be seen and a resume that can be trusted."""
