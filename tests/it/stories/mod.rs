//! What users and operators see, from event to status, one story a test.

mod life;
