//! The trainer: tokenizer, model, supervised fine-tuning, export.
