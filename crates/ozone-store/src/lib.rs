//! The Store seam: journal and responses, on SQLite and in memory.
