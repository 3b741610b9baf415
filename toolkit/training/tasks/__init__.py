"""The table of tasks: name -> module. A module says how rows become batches and what is measured."""
