//! The chart: what it renders, what it refuses, and who may speak to whom.
