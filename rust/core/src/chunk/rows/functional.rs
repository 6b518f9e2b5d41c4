//! Functional languages.

use super::super::rules::Row;

pub(super) const ROWS: &[Row] = &[];
