//! The ModelBackend seam: local GGUF and scripted.
