//! The pages for people: what they show, how they are drawn.

mod drawn;
mod fixtures;
mod fleet;
mod meeting;
mod room;
