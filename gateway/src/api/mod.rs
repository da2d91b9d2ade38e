//! HTTP: the listener for queries and the one for operators.
//!
//! [`Server`] accepts connections and watches them, `connection` serves one, [`Api`] (`stack`) is the path of a request,
//! `reply` writes what goes back. This room turns HTTP into [`crate::request::Incoming`] and
//! [`crate::request::Answer`] into HTTP; it knows nothing of plans, stores or how the cache works.

mod activity;
pub mod admin;
mod auth;
mod body;
mod collections;
mod connection;
mod error_page;
mod head;
mod hints;
mod openapi;
mod reply;
mod request_id;
mod route;
mod server;
mod service;
mod socket;
mod stack;
#[cfg(test)]
mod tests;

pub use admin::Admin;
pub use auth::Authenticator;
pub use connection::{Client, Handler};
pub use openapi::document as openapi_document;
pub use reply::HttpResponse;
pub use server::Server;
pub use service::Service;
pub use stack::Api;
