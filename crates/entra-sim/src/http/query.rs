//! The system query options that users take (graph-facts §2).

use super::error::GraphError;
use crate::property::{Properties, Property, Reach};
use axum::http::{StatusCode, Uri};

/// A parsed query string.
#[derive(Debug)]
pub struct Query {
    pairs: Vec<(String, String)>,
    raw: String,
}

/// What a request selects.
#[derive(Clone, Debug)]
pub struct Selection {
    /// The properties, in the order asked for.
    pub properties: Vec<Property>,
    /// Was `$select` given?
    pub given: bool,
}

impl Query {
    /// The query of a request.
    pub fn of(uri: &Uri) -> Result<Self, GraphError> {
        let pairs = axum::extract::Query::<Vec<(String, String)>>::try_from_uri(uri)
            .map_err(|_| GraphError::bad("The query string is malformed."))?;
        let pairs = pairs
            .0
            .into_iter()
            .map(|(name, value)| (option_name(&name), value));
        Ok(Self {
            pairs: pairs.collect(),
            raw: uri.query().unwrap_or_default().to_owned(),
        })
    }

    /// A system query option, its `$` left out; letter case doesn't matter.
    pub fn get(&self, option: &str) -> Option<&str> {
        self.pairs
            .iter()
            .find(|(name, _)| name == option)
            .map(|(_, value)| value.as_str())
    }

    /// The query as it was sent, without its page token.
    pub fn without_token(&self) -> String {
        let kept = self.raw.split('&').filter(|pair| {
            let name = pair.split('=').next().unwrap_or_default().replace("%24", "$");
            !pair.is_empty() && option_name(&name) != "skiptoken"
        });
        kept.collect::<Vec<_>>().join("&")
    }

    /// Refuses options that a list of users doesn't take.
    pub fn check(&self) -> Result<(), GraphError> {
        for (name, _) in &self.pairs {
            match name.as_str() {
                "select" | "top" | "expand" | "filter" | "count" | "skiptoken" | "deltatoken" => {}
                "skip" => return Err(GraphError::bad("'$skip' is not supported by the service.")),
                "search" => {
                    return Err(GraphError::unsupported(
                        "Request with $search query parameter only works through MSGraph with a special request \
                         header: 'ConsistencyLevel: eventual'",
                    ));
                }
                "orderby" => {
                    return Err(GraphError::unsupported(
                        "Sorting not supported for current query.",
                    ));
                }
                other => {
                    let message = format!("The query parameter '${other}' is not supported.");
                    return Err(GraphError::bad(message));
                }
            }
        }
        Ok(())
    }

    /// `$top`: 1 to 999 (§2.1).
    pub fn top(&self) -> Result<Option<u32>, GraphError> {
        let Some(text) = self.get("top") else {
            return Ok(None);
        };
        match text.parse() {
            Ok(top @ 1..=999) => Ok(Some(top)),
            _ => Err(GraphError::bad(format!(
                "Invalid page size specified: '{text}'. Must be between 1 and 999 inclusive."
            ))),
        }
    }

    /// `$count=true`?
    pub fn count(&self) -> bool {
        self.get("count")
            .is_some_and(|value| value.eq_ignore_ascii_case("true"))
    }

    /// `$select`, or the eleven (§2.2). A part of a complex property selects the whole.
    pub fn selection(&self) -> Result<Selection, GraphError> {
        let Some(text) = self.get("select").filter(|text| !text.trim().is_empty()) else {
            return Ok(Selection {
                properties: Property::defaults(),
                given: false,
            });
        };
        Ok(Selection {
            properties: properties(text)?,
            given: true,
        })
    }

    /// `$expand=manager`, with or without a select of its own (§2.5).
    pub fn expand(&self) -> Result<Option<Vec<Property>>, GraphError> {
        let Some(text) = self.get("expand") else {
            return Ok(None);
        };
        let (name, inner) = match text.split_once('(') {
            Some((name, inner)) => (name, Some(inner.strip_suffix(')').unwrap_or(inner))),
            None => (text, None),
        };
        if !name.trim().eq_ignore_ascii_case("manager") {
            let message =
                format!("Expand is not allowed for property '{name}' according to the entity schema.");
            return Err(GraphError::new(
                StatusCode::BAD_REQUEST,
                "ExpandNotSupported",
                message,
            ));
        }
        match inner {
            None => Ok(Some(Property::defaults())),
            Some(inner) => {
                let select = inner.trim().trim_start_matches('$').strip_prefix("select=");
                let select = select.ok_or_else(|| {
                    GraphError::unsupported(format!(
                        "Unsupported expand option '{inner}' for property 'manager'."
                    ))
                })?;
                properties(select).map(Some)
            }
        }
    }
}

impl Selection {
    /// Refuses what a list can't give: 501 for properties kept elsewhere, 403 for those that need a licence.
    pub fn check_list(&self) -> Result<(), GraphError> {
        let has = |reach| {
            self.properties
                .iter()
                .any(|property| property.definition().reach == reach)
        };
        if has(Reach::Single) {
            return Err(GraphError::of_status(501, None));
        }
        self.check_licence()
    }

    /// Refuses what needs a licence that this tenant hasn't.
    pub fn check_licence(&self) -> Result<(), GraphError> {
        let premium = |property: &Property| property.definition().reach == Reach::Premium;
        if self.properties.iter().any(premium) {
            return Err(GraphError::new(
                StatusCode::FORBIDDEN,
                "Authentication_RequestFromNonPremiumTenantOrB2CTenant",
                "Neither tenant is B2C or tenant doesn't have premium license",
            ));
        }
        Ok(())
    }

    /// Is nothing selected beyond what `User.ReadBasic.All` allows (§9)?
    pub fn basic(&self) -> bool {
        let basic = [
            "id",
            "displayName",
            "givenName",
            "surname",
            "mail",
            "userPrincipalName",
            "securityIdentifier",
        ];
        self.properties
            .iter()
            .all(|property| basic.contains(&property.name()))
    }

    /// Without relations, which a list gives only when expanded.
    pub fn plain(&self) -> Vec<Property> {
        let plain = self
            .properties
            .iter()
            .filter(|property| **property != Property::MANAGER);
        plain.copied().collect()
    }

    /// What a delta tracks: the tracked ones of the selected, or all when nothing is selected (§3.2).
    pub fn tracked(&self) -> Properties {
        if self.given {
            self.properties
                .iter()
                .copied()
                .filter(|property| property.tracked())
                .collect()
        } else {
            Property::all().filter(|property| property.tracked()).collect()
        }
    }

    /// `(displayName,id)` for the context, or nothing.
    pub fn context(&self, expand: Option<&[Property]>) -> String {
        let names = |properties: &[Property]| {
            let names: Vec<_> = properties.iter().map(|property| property.name()).collect();
            names.join(",")
        };
        let own = if self.given {
            names(&self.plain())
        } else {
            String::new()
        };
        let manager = expand.map(|properties| format!("manager({})", names(properties)));
        match (own.is_empty(), manager) {
            (true, None) => String::new(),
            (false, None) => format!("({own})"),
            (true, Some(manager)) => format!("({manager})"),
            (false, Some(manager)) => format!("({own},{manager})"),
        }
    }
}

fn properties(text: &str) -> Result<Vec<Property>, GraphError> {
    let mut found: Vec<Property> = Vec::new();
    for name in text.split(',').map(str::trim).filter(|name| !name.is_empty()) {
        if name == "*" {
            let listed =
                |property: &Property| matches!(property.definition().reach, Reach::Default | Reach::Select);
            found.extend(Property::all().filter(listed));
            continue;
        }
        // Users are open types: an extension that nobody has is simply not there.
        if name.starts_with("extension_") {
            continue;
        }
        let whole = name.split('/').next().unwrap_or(name);
        let property = Property::named(whole).ok_or_else(|| {
            GraphError::bad(format!(
                "Parsing OData Select and Expand failed: Could not find a property named '{name}' on type \
                 'microsoft.graph.user'."
            ))
        })?;
        if !found.contains(&property) {
            found.push(property);
        }
    }
    Ok(found)
}

fn option_name(name: &str) -> String {
    name.trim_start_matches('$').to_ascii_lowercase()
}
