"""Measurements that the README and the design quote: ratios against a named baseline in the same run."""
