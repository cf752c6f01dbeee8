//! The page and the API of `tempo run`, over real connections.

mod access;
mod api;
mod attacks;
mod browser;
mod client;
mod pages;
mod paging;
mod screenshots;
