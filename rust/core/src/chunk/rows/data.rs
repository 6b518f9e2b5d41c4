//! Data, schemas and queries.

use super::super::rules::Row;

pub(super) const ROWS: &[Row] = &[];
