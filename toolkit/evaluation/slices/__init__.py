"""Where the errors of a set of predictions gather.

Rows are divided in many ways, a file each: by the values of columns (`columns`), by words (`words`), by likeness
(`clusters`), and by two or three of these at once (`conjunctions`). Each way gives a `Family` of slices that
knows nothing of the errors. `control` tells which slices hold more errors than shuffled errors ever do, and picks from
them those that tell the most, each error once. `confusion`, `labels` and `confidence` look at the answers instead;
`attribution` asks the model what decided; `changes` compares two models.
"""
