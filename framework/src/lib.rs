//! What a stream processor is written against.
