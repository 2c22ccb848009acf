//! Batches decided in memory.
