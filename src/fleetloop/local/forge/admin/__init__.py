"""The forge's own API below `/admin`: set-up, inspection and trouble on demand. Needs the admin token.

It does what a person does with the mouse on GitHub; making is repeatable: what exists is returned as it is.
"""

from . import inspection, setup, trouble

ROUTES = [*setup.ROUTES, *inspection.ROUTES, *trouble.ROUTES]
