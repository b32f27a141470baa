//! The page: what it shows, how it is drawn, who may come in.

mod drawn;
mod fixtures;
mod served;
mod shown;
