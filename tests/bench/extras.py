EXTRAS = {}
LONG = None
