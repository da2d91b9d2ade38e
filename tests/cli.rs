//! The program as a shell sees it.
