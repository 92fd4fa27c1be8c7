//! Settings of the user: flags, environment and metadata tables, and the [`Plan`](plan::Plan) they resolve to.

pub mod args;
pub mod budget;
pub mod c_compiler;
pub mod env_vars;
pub mod plan;
pub mod runner;
pub mod schema;
pub mod settings;
pub mod smoke;
pub mod target;
pub mod template;
pub mod typed;
