//! It cannot lose or corrupt: services are killed between any two steps and at random moments, NATS and PostgreSQL are
//! killed too, and what is left is held against an oracle. Two copies of every service run throughout.

pub mod gate;
mod manual;
mod moments;
pub mod people;
mod scene;
mod steps;
mod told;
