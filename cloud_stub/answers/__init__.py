"""Answers that people can quote: does the sentence hold, where did my words go, who would still know them."""
