//! What every storage engine has to do, checked against a model.
