//! What a person, a program and a pipeline are told.
