//! The chart: what it renders, what it refuses, and who may speak to whom.

mod arrows;
mod chart;
mod connections;
mod custom_resources;
mod pods;
mod probes;
mod refusals;
mod rendering;
mod scaling;
mod settings;
