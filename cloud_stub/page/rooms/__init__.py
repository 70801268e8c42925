"""The rooms of the page, one module each: routes, and what their templates are given."""
