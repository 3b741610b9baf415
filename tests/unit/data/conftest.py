from hypothesis import settings

settings.register_profile("data", deadline=None, derandomize=True)
settings.load_profile("data")
