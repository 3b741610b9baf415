"""Names of splits in files and folders."""

SPLITS = {"train": "train", "validation": "validation", "dev": "validation", "val": "validation", "test": "test"}
ORDER = ("train", "validation", "test")
