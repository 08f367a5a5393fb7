//! Questions with verifiable answers and worked traces: what the model is trained and scored on.
