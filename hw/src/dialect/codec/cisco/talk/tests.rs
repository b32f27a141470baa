//! Tests of the Cisco conversation, with time as an argument.
