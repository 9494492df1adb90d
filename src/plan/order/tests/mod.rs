//! Tests of the plan, row by row, and a model of the CA and the cluster in which it must always come to an end.

mod hostile;
mod model;
mod model_ca;
mod model_objects;
mod model_steps;
mod properties;
mod rows;
mod trouble;
mod turns;
