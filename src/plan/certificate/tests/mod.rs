//! Tests of the planner, named after the rows they prove.

mod continuing;
mod failing;
mod issuing;
mod judging;
mod model;
mod naming;
mod rendering;
mod renewing;
mod rotating;
mod tidying;
mod validating;
