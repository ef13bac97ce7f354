"""Replies: parsed tolerantly, held to a strict contract, sent back with the reason where they break it."""
