//! Bayeux as hostile and clumsy clients speak it: each gets its answer, nobody else suffers, and nothing is lost.

mod bombs;
mod connects;
mod floods;
mod frames;
mod limits;
mod raw;
mod slow;
