//! `$select` of groups.

use crate::groups::property::{GroupProperties, GroupProperty};
use crate::http::error::GraphError;
use crate::http::query::Query;

/// What a request selects.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The properties, in the order asked for.
    pub properties: Vec<GroupProperty>,
    /// Was `$select` given?
    pub given: bool,
}

impl Selection {
    /// `$select`, or what comes without.
    pub fn of(query: &Query) -> Result<Self, GraphError> {
        let Some(text) = query.get("select").filter(|text| !text.trim().is_empty()) else {
            return Ok(Self {
                properties: GroupProperty::defaults(),
                given: false,
            });
        };
        let mut properties = Vec::new();
        for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
            if name.starts_with("extension_") {
                continue;
            }
            let property = GroupProperty::named(name).ok_or_else(|| {
                GraphError::bad(format!(
                    "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
                     'microsoft.graph.group'."
                ))
            })?;
            if !properties.contains(&property) {
                properties.push(property);
            }
        }
        Ok(Self {
            properties,
            given: true,
        })
    }

    /// What a delta tracks. Members are in it when nothing is selected.
    pub fn tracked(&self) -> GroupProperties {
        if self.given {
            self.properties.iter().copied().collect()
        } else {
            GroupProperty::all().collect()
        }
    }

    /// `(displayName,id)` for the context, or nothing.
    pub fn context(&self) -> String {
        if !self.given {
            return String::new();
        }
        let names: Vec<_> = self.properties.iter().map(|property| property.name()).collect();
        format!("({})", names.join(","))
    }
}
