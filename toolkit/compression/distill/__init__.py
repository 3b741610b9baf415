"""A small student learns from large teachers.

`answers` asks teachers, each row once; `losses` compares the student's answers with them, `inside` its hidden states,
attention and embeddings, which it reads as `shared` says; `students` cuts one out of a teacher; `transfer` picks more
rows to learn on; `compare` holds the outcome against the teachers.
"""

from toolkit.compression.distill.answers import teacher_logits
from toolkit.compression.distill.losses import TEACHER, loss, with_teacher

__all__ = ["TEACHER", "loss", "teacher_logits", "with_teacher"]
