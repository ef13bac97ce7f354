"""Principles 8 and 9: how much is there in an instruction, and in a picture?"""
