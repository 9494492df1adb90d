//! How the model goes on: it takes the steps of the plans.

use jiff::Timestamp;

use super::{
    super::{OrderStep, Plan},
    model::World,
};
use crate::plan::seen::Next;

/// More plans than any order needs.
const PLANS: usize = 5_000;

impl World {
    /// Follows the plans until nothing is left to do at this instant; then, until nothing is left to do at all.
    pub(super) fn run(&mut self) {
        for _ in 0..PLANS {
            self.finish_calls();
            let plan = self.next_plan();
            if plan.steps.is_empty() {
                match self.outside.or_ends(plan.next) {
                    Next::OnChange => return,
                    Next::At(time) => self.wait(time),
                }
            }
            for step in plan.steps {
                self.steps += 1;
                self.take(step);
                if self.weather.deleted_after == Some(self.steps) {
                    return self.delete_order();
                }
                if self.weather.killed_after.contains(&self.steps) {
                    self.restart();
                    break;
                }
                if self.memory.trouble.is_some() {
                    break;
                }
            }
        }
        panic!("it never comes to an end: {:?}", self.plan());
    }

    /// Follows the plans as long as this holds, and waits where nothing is left to do.
    pub(super) fn run_and_wait_while(&mut self, holds: impl Fn(&Self) -> bool) {
        for _ in 0..PLANS {
            if !holds(self) {
                return;
            }
            self.finish_calls();
            let plan = self.next_plan();
            if plan.steps.is_empty() {
                let Next::At(time) = self.outside.or_ends(plan.next) else {
                    panic!("stuck")
                };
                self.wait(time);
            }
            for step in plan.steps {
                self.take(step);
            }
        }
        panic!("what is waited for never comes: {:?}", self.plan());
    }

    /// The plan, with the slots given back that it does not keep.
    fn next_plan(&mut self) -> Plan {
        let plan = self.plan();
        if let Some(keeps) = &plan.keeps {
            let keeps = keeps.iter().map(String::as_str).collect();
            self.slots.release(self.now, &self.order.meta.uid, &keeps);
        }
        plan
    }

    pub(super) fn wait(&mut self, until: Timestamp) {
        assert!(until > self.now, "it asks to be called back in the past: a hot loop");
        self.now = until;
    }

    /// Follows the plans until there is nothing to do at this instant.
    pub(super) fn run_until_quiet(&mut self) {
        while let steps @ [_, ..] = self.plan().steps.as_slice() {
            let steps = steps.to_vec();
            for step in steps {
                self.take(step);
            }
        }
    }

    /// Takes all steps of each plan, as long as this holds.
    pub(super) fn run_while(&mut self, holds: impl Fn(&Self) -> bool) {
        self.go_on_while(holds, usize::MAX);
    }

    /// Takes the first step of each plan, as long as this holds.
    pub(super) fn step_while(&mut self, holds: impl Fn(&Self) -> bool) {
        self.go_on_while(holds, 1);
    }

    fn go_on_while(&mut self, holds: impl Fn(&Self) -> bool, at_most: usize) {
        for _ in 0..PLANS {
            if !holds(self) {
                return;
            }
            let steps: Vec<OrderStep> = self.plan().steps.into_iter().take(at_most).collect();
            assert!(
                !steps.is_empty(),
                "nothing is left to do, and what is waited for has not come"
            );
            for step in steps {
                self.take(step);
            }
        }
        panic!("what is waited for never comes: {:?}", self.plan());
    }
}
