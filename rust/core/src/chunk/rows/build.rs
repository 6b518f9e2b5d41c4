//! What builds and deploys.

use super::super::rules::Row;

pub(super) const ROWS: &[Row] = &[];
