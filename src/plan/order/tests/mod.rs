//! Tests of the plan, row by row, and a model of the CA, the cluster and a DNS provider in which it must always come to an end.

mod hostile;
mod mixed;
mod model;
mod model_ca;
mod model_objects;
mod model_outside;
mod model_steps;
mod model_weather;
mod properties;
mod rows;
mod trouble;
mod turns;
mod undecided;
