"""Principles 4 to 7: how many kinds of tasks, instructions, responses and pictures are there?"""
