"""How a classifier holds up: rows from elsewhere, attacks, noise, and abstaining. Models are asked by callables."""
