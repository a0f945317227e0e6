//! House style as a test.
