//! Tests of the planner, named after the rows they prove.

mod asking;
mod continuing;
mod encoding;
mod failing;
mod fallback;
mod fitting;
mod issuing;
mod model;
mod naming;
mod outages;
mod outcome;
mod rendering;
mod renewing;
mod rotating;
mod tidying;
mod unsettled;
mod validating;
mod violations;
