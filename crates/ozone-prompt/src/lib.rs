//! Items to a model family's text and tokens, and the sampled stream back to items.
