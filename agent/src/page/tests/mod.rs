//! The page: what it shows, how it is drawn, who may come in.

mod drawn;
mod fixtures;
mod meeting;
mod served;
mod shown;
