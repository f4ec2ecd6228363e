//! Who may do what: every operation of every interface by every kind of caller, against the real server.
//!
//! The tables are the specification; the code below them only plays each cell and compares. *alice* is the customer whose
//! chat it is about; whoever may not, changes nothing in it.

mod agents;
mod customers;
mod doors;
mod keys;
mod secrets;
mod table;
