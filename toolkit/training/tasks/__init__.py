"""One file a task: how rows become batches. Text classification is the first."""
