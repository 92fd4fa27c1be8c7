//! Settings of the user: flags, environment and metadata tables, and the [`Plan`](plan::Plan) they resolve to.

pub mod args;
pub mod budget;
pub mod env_vars;
pub mod plan;
pub mod schema;
pub mod settings;
pub mod smoke;
