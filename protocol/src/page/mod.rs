//! What the box's page and the province's page have in common: how a status looks, how findings read, and the
//! one way in which a text becomes HTML. Pure: findings and words in, markup out; no server, no socket.
//!
//! * [`Html`]: a writer that lets only literals through as markup; everything else is text.
//! * [`Sign`]: shape and colour of a status; the word stands beside them, since colour alone says nothing.
//! * [`lines`]: findings in words: what is wrong, and the parts of the signal path.
//! * [`draw`]: these in HTML.
//! * [`CSS`]: colours, shapes and the layout of what [`draw`] writes; [`MORPH`]: how a new state takes the old one's
//!   place.

mod html;
mod sign;

pub mod draw;
pub mod lines;

pub use html::{Html, LONGEST_TEXT};
pub use sign::Sign;

/// The style that both pages begin with. Text has a contrast of 7:1 or more on every ground, in light and dark;
/// the shapes keep the colours that were agreed for them and always stand beside their word.
pub const CSS: &str = include_str!("page.css");

/// The script that both pages begin with: `morph(old, new)` puts a new state in the old one's place.
pub const MORPH: &str = include_str!("morph.js");

#[cfg(test)]
mod tests;
