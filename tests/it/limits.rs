//! Every port stands slow, greedy and oversized callers.
