//! Tests of the planner, named after the rows they prove.
