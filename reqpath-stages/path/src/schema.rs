//! The JSON Schema of path files.

use schemars::generate::SchemaSettings;
use serde_json::Value;

use crate::file::File;

/// The JSON Schema of path files (draft 2020-12): editors that know it complete and check while one writes.
///
/// ```
/// let schema = reqpath_path::json_schema();
/// assert_eq!(schema["additionalProperties"], false);
/// ```
#[must_use]
pub fn json_schema() -> Value {
    let generator = SchemaSettings::draft2020_12().into_generator();
    generator.into_root_schema_for::<File>().to_value()
}
