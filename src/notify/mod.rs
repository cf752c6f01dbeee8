//! Notifications: which events go to which receivers, when, and the content of messages. Pure: no clock, no database, no network.
//!
//! A [`Receiver`] is checked once; [`Receiver::wants`] routes an event to it, [`Timing`] says when a message is sent, and [`delivery`] turns a
//! message into the request, mail or command that carries it.

pub mod delivery;
pub mod message;
pub mod receiver;
mod template;
pub mod timing;
pub mod topic;

pub use delivery::{Delivery, Mail, Receipt, Smtp, Webhook, delivery};
pub use message::{IncidentDetails, Message, Notice, plain_text};
pub use receiver::{Channel, Receiver};
pub use template::Template;
pub use timing::Timing;
pub use topic::Topic;
