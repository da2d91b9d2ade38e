//! The planner: enumerates candidate plans, prices them, picks one, and can say why. It never talks to a backend.

mod plan;

pub use plan::{Operator, Plan, PlanKind};
