"""What words mean: teacher, dictionary, distillation."""
