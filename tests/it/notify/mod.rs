//! Notifications: real receivers on loopback, and what they are told.

mod delivery;
mod mail;
mod mail_server;
mod routing;
mod secrets;
mod webhook;
